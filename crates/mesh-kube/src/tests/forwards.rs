//! Ports of pods, through an API server that upgrades connections.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kube::Config;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::*;
use crate::{Cluster, RequestError};

/// A server that has the pod `echo`, whose port 1 sends back what it gets and whose others are closed.
async fn server(tasks: &Tasks) -> Cluster {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let inner = tasks.clone();
    tasks.spawn("api", async move {
        while let Ok((socket, _)) = listener.accept().await {
            let tasks = inner.clone();
            inner.spawn("connection", async move {
                let service = service_fn(|request| answer(request, tasks.clone()));
                let serving = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(socket), service);
                drop(serving.with_upgrades().await);
            });
        }
    });
    Cluster::with(Config::new(url.parse().unwrap())).unwrap()
}

async fn answer(
    request: Request<Incoming>,
    tasks: Tasks,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::default());
    let path = request.uri().path();
    if path != "/api/v1/namespaces/n/pods/echo/portforward" {
        *response.status_mut() = StatusCode::NOT_FOUND;
        let status = json!({"kind": "Status", "code": 404, "message": "no such pod"});
        *response.body_mut() = Full::from(status.to_string());
        return Ok(response);
    }
    let port: u16 = request
        .uri()
        .query()
        .unwrap()
        .rsplit('=')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    upgrade(request.headers(), response.headers_mut());
    tasks.spawn("pod", async move {
        let upgraded = hyper::upgrade::on(request).await.unwrap();
        let socket = TokioIo::new(upgraded);
        be_pod(
            WebSocketStream::from_raw_socket(socket, Role::Server, None).await,
            port,
        )
        .await;
    });
    Ok(response)
}

fn upgrade(asked: &HeaderMap, answer: &mut HeaderMap) {
    let key = asked[header::SEC_WEBSOCKET_KEY].as_bytes();
    let accept = derive_accept_key(key).parse().unwrap();
    answer.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    for (name, value) in [
        (header::CONNECTION, "Upgrade"),
        (header::UPGRADE, "websocket"),
        (header::SEC_WEBSOCKET_PROTOCOL, "v4.channel.k8s.io"),
    ] {
        answer.insert(name, value.parse().unwrap());
    }
}

/// Channel 0 is the port's bytes, channel 1 what is wrong with it; each begins with the port.
async fn be_pod<S>(mut socket: WebSocketStream<S>, port: u16)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let [low, high] = port.to_le_bytes();
    for channel in [0, 1] {
        socket
            .send(Message::binary(vec![channel, low, high]))
            .await
            .unwrap();
    }
    if port != 1 {
        let mut text = vec![1];
        text.extend(b"connection refused");
        drop(socket.send(Message::binary(text)).await);
        drop(socket.close(None).await);
        return;
    }
    while let Some(Ok(message)) = socket.next().await {
        if message.is_binary() {
            drop(socket.send(message).await);
        }
    }
}

#[tokio::test]
async fn bytes_go_to_a_pods_port_and_back() {
    let tasks = Tasks::new(&Registry::new());
    let cluster = server(&tasks).await;
    let mut forward = cluster.forward("n", "echo", 1).await.unwrap();
    forward.stream.write_all(b"hello").await.unwrap();
    let mut back = [0; 5];
    forward.stream.read_exact(&mut back).await.unwrap();
    assert_eq!(&back, b"hello");
}

#[tokio::test]
async fn a_closed_port_is_told_with_the_kubelets_words() {
    let tasks = Tasks::new(&Registry::new());
    let cluster = server(&tasks).await;
    let forward = cluster.forward("n", "echo", 2).await.unwrap();
    let refused = tokio::time::timeout(DEADLINE, forward.refused).await;
    assert_eq!(refused.unwrap().as_deref(), Some("connection refused"));
}

#[tokio::test]
async fn a_pod_that_is_not_there_is_missing() {
    let tasks = Tasks::new(&Registry::new());
    let cluster = server(&tasks).await;
    let error = cluster.forward("n", "gone", 1).await.err();
    assert_eq!(error, Some(RequestError::Missing));
}
