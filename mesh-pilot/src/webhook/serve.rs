//! The webhooks' server: HTTP/1.1 over TLS, as API servers ask.
//!
//! Any client may ask, as it learns nothing but the judgement of what it wrote itself; what it can
//! make pilot hold is bounded.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use mesh_identity::TlsConnection;
use mesh_kube::{Cluster, Registration, registration};
use mesh_pki::live::LiveIdentity;
use mesh_pki::tls::{ALPN_HTTP11, ClientAuth, TrustPolicy, server_config};
use mesh_runtime::Tasks;
use mesh_runtime::admin::Page;
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::{Hook, Webhooks};

/// Largest review in bytes: the API server takes objects of 3 MiB, and shows the old one as well.
const REVIEW_BYTES: usize = 8 << 20;
/// Connections at once; more wait.
const CONNECTIONS: usize = 64;
/// How long a client may take to send a head, and then a body. API servers wait 30 seconds at most.
const PATIENCE: Duration = Duration::from_secs(30);

/// What serves the webhooks.
pub struct Server {
    /// Where the API server asks.
    pub listener: TcpListener,
    /// What it is answered.
    pub judge: Arc<Webhooks>,
    /// Where it is registered, when that is to be kept in step.
    pub registered: Option<(Cluster, Registration)>,
}

impl Server {
    /// Starts its tasks; the API server shows nothing of who it is.
    ///
    /// # Errors
    /// When the TLS library refuses the combination of versions and cryptography.
    pub fn start(
        self,
        live: &LiveIdentity,
        policy: TrustPolicy,
        tasks: &Tasks,
    ) -> Result<(), rustls::Error> {
        let tls = server_config(live, policy, ClientAuth::Optional, &[ALPN_HTTP11])?;
        let serving = serve(self.judge, self.listener, tls, tasks.clone());
        tasks.spawn("webhooks", serving);
        if let Some((cluster, registration)) = self.registered {
            let live = live.clone();
            let roots = move || live.current().bundle().to_pem();
            let stopping = tasks.stopping().clone();
            tasks.spawn("webhook registration", async move {
                let keep = registration::keep(cluster, registration, roots);
                stopping.run_until_cancelled(keep).await;
            });
        }
        Ok(())
    }
}

async fn serve(webhooks: Arc<Webhooks>, listener: TcpListener, tls: ServerConfig, tasks: Tasks) {
    let mut connections = mesh_identity::tls_incoming(listener, Arc::new(tls), &tasks).into_inner();
    tracing::info!("serving webhooks");
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = room.clone().acquire_owned().await else {
            return;
        };
        let Some(Ok(connection)) = connections.recv().await else {
            return;
        };
        let webhooks = webhooks.clone();
        let stopping = tasks.stopping().clone();
        tasks.spawn("webhook connection", async move {
            stopping
                .run_until_cancelled(answer_all(connection, &webhooks))
                .await;
            drop(place);
        });
    }
}

async fn answer_all(connection: TlsConnection, webhooks: &Arc<Webhooks>) {
    let service = service_fn(move |request| {
        let webhooks = webhooks.clone();
        async move { Ok::<_, Infallible>(respond(&webhooks, request).await) }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .serve_connection(TokioIo::new(connection), service);
    if let Err(error) = served.await {
        tracing::debug!(%error, "webhook connection ended");
    }
}

async fn respond(webhooks: &Webhooks, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let answer = match (Hook::of(request.uri().path()), request.method()) {
        (None, _) => Page::text(404, "there are /inject and /validate\n"),
        (Some(_), method) if *method != Method::POST => Page::text(405, "expected POST\n"),
        (Some(_), _) if !is_json(&request) => {
            Page::text(415, "expected Content-Type: application/json\n")
        }
        (Some(hook), _) => match body(request).await {
            Ok(body) => webhooks.answer(hook, &body),
            Err(answer) => answer,
        },
    };
    let mut response = Response::new(Full::new(answer.body));
    *response.status_mut() =
        StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let content_type = HeaderValue::from_static(answer.content_type);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

fn is_json(request: &Request<Incoming>) -> bool {
    let written = request.headers().get(CONTENT_TYPE);
    let written = written.and_then(|value| value.to_str().ok());
    let kind = written.and_then(|value| value.split(';').next());
    kind.is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

async fn body(request: Request<Incoming>) -> Result<Bytes, Page> {
    let limited = Limited::new(request.into_body(), REVIEW_BYTES);
    match tokio::time::timeout(PATIENCE, limited.collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(_)) => Err(Page::text(413, "the review is cut off or above 8 MiB\n")),
        Err(_) => Err(Page::text(408, "the review did not come\n")),
    }
}

#[cfg(test)]
mod tests;
