//! Serves one service over HTTP/1.1: whole requests in, whole answers out.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use mesh_runtime::{Tasks, net};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::reply::{self, Reply};

/// Longest body that is read.
const MAX_BODY: usize = 64 * 1024;
/// Connections at once; more wait in the listen queue.
const CONNECTIONS: usize = 4096;
/// How long a connection may be silent between requests. Long, so that a client's pool closes
/// idle connections before we do and never writes to one that is going away.
const IDLE: Duration = Duration::from_secs(600);

/// How the end of an answer's body is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// By its length, which stands in the head.
    Length,
    /// By the last of its chunks, as servers do that begin before they know the end.
    Chunked,
}

/// One of the four services.
pub(crate) trait Service: Send + Sync + 'static {
    /// How its answers are sent.
    fn framing(&self) -> Framing {
        Framing::Length
    }

    /// Answers one request.
    fn answer(&self, request: Request<Bytes>) -> impl Future<Output = Reply> + Send;
}

/// Accepts until the tasks are asked to stop; connections finish the request they are at.
pub(crate) async fn serve<S: Service>(service: Arc<S>, listener: TcpListener, tasks: Tasks) {
    if let Ok(address) = listener.local_addr() {
        tracing::info!(%address, "serving");
    }
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(permit) = room.clone().acquire_owned().await else {
            return;
        };
        let (stream, _) = tokio::select! {
            accepted = net::accept(&listener, "requests") => accepted,
            () = tasks.stopping().cancelled() => return,
        };
        let (service, stopping) = (service.clone(), tasks.clone());
        tasks.spawn("connection", async move {
            connection(service, stream, stopping).await;
            drop(permit);
        });
    }
}

async fn connection<S: Service>(service: Arc<S>, stream: TcpStream, tasks: Tasks) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "nodelay not set");
    }
    let handler = service_fn(move |request| {
        let service = service.clone();
        async move { Ok::<_, Infallible>(respond(&*service, request).await) }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .serve_connection(TokioIo::new(stream), handler);
    let mut served = std::pin::pin!(served);
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = tasks.stopping().cancelled() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended");
    }
}

async fn respond<S: Service>(service: &S, request: Request<Incoming>) -> Response<Sent> {
    let (head, body) = request.into_parts();
    tracing::debug!(method = %head.method, path = head.uri.path(), "request");
    let reply = match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => {
            let request = Request::from_parts(head, body.to_bytes());
            service.answer(request).await
        }
        Err(_) => reply::text(StatusCode::PAYLOAD_TOO_LARGE, "body too long or cut off\n"),
    };
    let framing = service.framing();
    reply.map(|body| Sent {
        body: Full::new(body),
        framing,
    })
}

/// A body on its way, which hyper sends in chunks when it does not tell its size.
struct Sent {
    body: Full<Bytes>,
    framing: Framing,
}

impl Body for Sent {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match self.framing {
            Framing::Length => self.body.size_hint(),
            Framing::Chunked => SizeHint::default(),
        }
    }
}
