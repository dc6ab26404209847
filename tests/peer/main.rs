//! `mesh-peer [name:NAME] [unsteady:]PORT...`: an HTTP server of hyper, as an application of the tests.
//!
//! Speaks HTTP/1.1 and HTTP/2 (prior knowledge) on every port and streams bodies both ways. What
//! the paths mean is in `answers.rs`. On an unsteady port every connection ends after a while, as
//! servers end idle ones. A name is told in `x-server-name`.

mod answers;
mod grpc;
mod websocket;

use std::pin::pin;
use std::time::Duration;

use anyhow::{Context, Result};
use hyper::Request;
use hyper::body::Incoming;
use hyper::header::HeaderValue;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use mesh_runtime::Tasks;
use mesh_tests::pattern::Failure;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use answers::Answer;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let tasks = Tasks::new(&prometheus::Registry::new());
    let mut name = None;
    for word in std::env::args().skip(1) {
        if let Some(told) = word.strip_prefix("name:") {
            name = Some(HeaderValue::from_str(told)?);
            continue;
        }
        let unsteady = word.strip_prefix("unsteady:");
        let port: u16 = unsteady
            .unwrap_or(&word)
            .parse()
            .context("usage: mesh-peer [name:NAME] [unsteady:]PORT...")?;
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let server = Server {
            name: name.clone(),
            unsteady: unsteady.is_some(),
        };
        tasks.spawn("accept", accept(listener, server, tasks.clone()));
    }
    // Until a signal ends the process.
    tasks.stopping().cancelled().await;
    Ok(())
}

/// What all connections of a port have in common.
#[derive(Debug, Clone)]
struct Server {
    name: Option<HeaderValue>,
    unsteady: bool,
}

async fn accept(listener: TcpListener, server: Server, tasks: Tasks) {
    let mut number = 0;
    while let Ok((stream, _)) = listener.accept().await {
        let _without_is_slower_only = stream.set_nodelay(true);
        number += 1;
        let lifetime = server.unsteady.then(|| lifetime(number));
        tasks.spawn("connection", serve(stream, server.name.clone(), lifetime));
    }
}

/// Between 20 and 320 ms, another one for each connection.
fn lifetime(connection: u64) -> Duration {
    Duration::from_millis(20 + connection * 37 % 301)
}

async fn serve(stream: TcpStream, name: Option<HeaderValue>, lifetime: Option<Duration>) {
    let asked = Notify::new();
    let service = service_fn(|request| {
        asked.notify_one();
        answer(request, name.clone())
    });
    let server = auto::Builder::new(TokioExecutor::new());
    let mut connection = pin!(server.serve_connection_with_upgrades(TokioIo::new(stream), service));
    // How a connection ends is the business of its client.
    if let Some(lifetime) = lifetime {
        // Servers close what is idle, and nothing that they have not served.
        tokio::select! {
            _ended = connection.as_mut() => return,
            () = asked.notified() => {}
        }
        if tokio::time::timeout(lifetime, connection.as_mut())
            .await
            .is_ok()
        {
            return;
        }
        connection.as_mut().graceful_shutdown();
    }
    let _ended = connection.await;
}

async fn answer(request: Request<Incoming>, name: Option<HeaderValue>) -> Result<Answer, Failure> {
    let failing = request.uri().path().strip_prefix("/failing/");
    let answered = match failing {
        Some(failing) => Ok(answers::status(match name.as_ref() {
            Some(name) if name == failing => 500,
            Some(_) | None => 200,
        })),
        None => answers::answer(request).await,
    };
    answered.map(|mut answer| {
        if let Some(name) = name {
            answer.headers_mut().insert("x-server-name", name);
        }
        answer
    })
}
