//! Servers that say what reached them.

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// The clusters, each with a server of its own.
pub(super) const CLUSTERS: [&str; 4] = ["red", "green", "split-a", "split-b"];

/// The servers; they end when this is dropped.
pub(super) struct Backend {
    /// Where they listen, in the order of [`CLUSTERS`].
    pub(super) addresses: Vec<SocketAddr>,
    _tasks: JoinSet<()>,
}

impl Backend {
    pub(super) async fn start() -> Self {
        let mut tasks = JoinSet::new();
        let mut addresses = Vec::new();
        for cluster in CLUSTERS {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            addresses.push(listener.local_addr().unwrap());
            tasks.spawn(serve(listener, cluster));
        }
        Self {
            addresses,
            _tasks: tasks,
        }
    }
}

async fn serve(listener: TcpListener, cluster: &'static str) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        stream.set_nodelay(true).unwrap();
        let answer = service_fn(move |request| answer(cluster, request));
        connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
        while connections.try_join_next().is_some() {}
    }
}

async fn answer(
    cluster: &'static str,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body
        .collect()
        .await
        .map(|body| body.to_bytes())
        .unwrap_or_default();
    let mut headers: Vec<(&str, Value)> = head
        .headers
        .iter()
        .filter(|(name, _)| *name != "x-envoy-expected-rq-timeout-ms")
        .map(|(name, value)| {
            (
                name.as_str(),
                String::from_utf8_lossy(value.as_bytes()).into(),
            )
        })
        .collect();
    // The order of fields of different names says nothing; that of one name stays.
    headers.sort_by_key(|(name, _)| *name);
    let said = json!({
        "cluster": cluster, "method": head.method.as_str(), "path": head.uri.to_string(),
        "headers": headers, "body": String::from_utf8_lossy(&body),
    });
    let answer = Response::builder()
        .header("server", "back end")
        .header("x-kind", "plain")
        .header("x-kind", "second")
        .header("x-remove", "if asked")
        .body(Full::new(Bytes::from(said.to_string())));
    Ok(answer.unwrap())
}
