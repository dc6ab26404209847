//! `mesh-peer PORT...`: an HTTP server made of hyper, as an application of the tests.
//!
//! Speaks HTTP/1.1 and HTTP/2 (prior knowledge) on every port and streams bodies both ways. What
//! the paths mean is in `answers.rs`.

mod answers;

use std::convert::Infallible;

use anyhow::{Context, Result};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use mesh_runtime::Tasks;
use tokio::net::TcpListener;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let tasks = Tasks::new(&prometheus::Registry::new());
    for port in std::env::args().skip(1) {
        let port: u16 = port.parse().context("usage: mesh-peer PORT...")?;
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        tasks.spawn("accept", accept(listener, tasks.clone()));
    }
    // Until a signal ends the process.
    tasks.stopping().cancelled().await;
    Ok(())
}

async fn accept(listener: TcpListener, tasks: Tasks) {
    while let Ok((stream, _)) = listener.accept().await {
        let _without_is_slower_only = stream.set_nodelay(true);
        tasks.spawn("connection", async move {
            let service =
                service_fn(async |request| Ok::<_, Infallible>(answers::answer(request).await));
            let server = auto::Builder::new(TokioExecutor::new());
            // How a connection ends is the business of its client.
            let _ended = server.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}
