//! An HTTP server for tests: HTTP/1.1 and HTTP/2 with prior knowledge, on a port of its own.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use mesh_runtime::Tasks;
use tokio::net::TcpListener;

/// Answers a request whose body has been read whole.
pub type Handler = dyn Fn(Request<Bytes>) -> Response<Bytes> + Send + Sync;

/// A running origin; ends when dropped.
pub struct Origin {
    address: SocketAddr,
    requests: Arc<AtomicU64>,
    connections: Arc<AtomicU64>,
    tasks: Tasks,
}

impl Origin {
    /// Serves `handler` on a free port of 127.0.0.1.
    pub async fn start(
        handler: impl Fn(Request<Bytes>) -> Response<Bytes> + Send + Sync + 'static,
    ) -> Self {
        Self::start_at(([127, 0, 0, 1], 0).into(), handler).await
    }

    /// Answers every request with 200 and `body`.
    pub async fn fixed(body: &'static str) -> Self {
        Self::start(move |_| Response::new(Bytes::from_static(body.as_bytes()))).await
    }

    /// Serves `handler` on a given address.
    pub async fn start_at(
        address: SocketAddr,
        handler: impl Fn(Request<Bytes>) -> Response<Bytes> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let origin = Self {
            address: listener.local_addr().unwrap(),
            requests: Arc::default(),
            connections: Arc::default(),
            tasks: Tasks::new(&prometheus::Registry::new()),
        };
        let (tasks, accepted) = (origin.tasks.clone(), origin.connections.clone());
        let service = Service {
            handler: Arc::new(handler),
            requests: origin.requests.clone(),
        };
        origin.tasks.spawn("origin", async move {
            let stopping = tasks.stopping().clone();
            let accept = accept(listener, service, tasks, accepted);
            stopping.run_until_cancelled(accept).await;
        });
        origin
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many requests it has answered.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::SeqCst)
    }

    /// How many connections it has accepted.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::SeqCst)
    }

    /// Closes the listener and all connections.
    pub async fn stop(&self) {
        self.tasks.stop(Duration::from_secs(5)).await;
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.tasks.stopping().cancel();
    }
}

#[derive(Clone)]
struct Service {
    handler: Arc<Handler>,
    requests: Arc<AtomicU64>,
}

impl Service {
    async fn answer(self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let (head, body) = request.into_parts();
        let body = match body.collect().await {
            Ok(body) => body.to_bytes(),
            // The client went away; nobody reads the answer.
            Err(_) => Bytes::new(),
        };
        self.requests.fetch_add(1, Ordering::SeqCst);
        let answer = (self.handler)(Request::from_parts(head, body));
        Ok(answer.map(Full::new))
    }
}

async fn accept(listener: TcpListener, service: Service, tasks: Tasks, accepted: Arc<AtomicU64>) {
    while let Ok((stream, _)) = listener.accept().await {
        accepted.fetch_add(1, Ordering::SeqCst);
        let service = service.clone();
        let stopping = tasks.stopping().clone();
        tasks.spawn("origin connection", async move {
            let service = service_fn(move |request| service.clone().answer(request));
            let server = auto::Builder::new(TokioExecutor::new());
            let serve = server.serve_connection(TokioIo::new(stream), service);
            // How a connection ends is the business of the test's client.
            let _ended = stopping.run_until_cancelled(serve).await;
        });
    }
}
