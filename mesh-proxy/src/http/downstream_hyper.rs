//! The one place where clients are served through hyper.
//!
//! Turns hyper's requests into arrivals and outgoing answers into hyper's responses, and keeps the
//! times of the connection itself: head, idleness, drain.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use mesh_http::{RequestHead, Scheme, Version};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;
use tokio_util::sync::CancellationToken;

use crate::http::connection::Connection;
use crate::http::drive::{self, Outgoing};
use crate::http::failure::Side;
use crate::http::head::Arrival;
use crate::http::upgrade::{self, Raw, RawStream};
use crate::upstream::hyper_adapter::convert::{
    Broken, InBody, LocalExecutor, OutBody, fields_from, fields_into,
};
use crate::worker::Worker;

/// How long a request's head may take from its first byte, where the listener says nothing.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection without requests is kept where the listener sets no bound.
const FOR_EVER: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// Most header fields of a request.
const FIELDS_LIMIT: usize = 100;
/// Streams at once on one connection.
const STREAMS: u32 = 1024;
/// Flow-control windows of HTTP/2: of a stream, of a connection.
const WINDOWS: (u32, u32) = (256 * 1024, 1024 * 1024);

/// How long a drained connection may stay open without a request.
///
/// A client that is about to send on it would otherwise meet a closed socket; with the next answer
/// it learns in good order that the connection ends.
#[derive(Debug, Clone)]
pub struct Drain {
    /// Cancelled when connections are to finish.
    pub begun: CancellationToken,
    /// Cancelled when idle ones are to be closed.
    pub due: CancellationToken,
}

/// Serves a connection until it ends.
pub async fn serve<I>(
    worker: Rc<Worker>,
    connection: Rc<Connection>,
    io: I,
    version: Version,
    drain: Drain,
) where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let times = Times::of(&connection, version);
    let activity = Rc::new(Activity::default());
    let heard = Arc::new(AtomicBool::new(false));
    let io = TokioIo::new(Heard {
        io,
        heard: heard.clone(),
    });
    let head_limit = head_limit(&connection);
    let tasks = worker.tasks.clone();
    let service = {
        let (activity, begun) = (activity.clone(), drain.begun.clone());
        service_fn(move |request| {
            let busy = Busy::begin(&activity);
            let (worker, connection) = (worker.clone(), connection.clone());
            let begun = begun.clone();
            // The future is large and lives on while the answer is awaited: one box for it.
            Box::pin(respond(worker, connection, request, begun, busy))
        })
    };
    let watch = Watch {
        times,
        activity,
        heard,
        timer: None,
    };
    let ended = if version == Version::Http2 {
        let connection = http2::Builder::new(LocalExecutor(tasks))
            .timer(TokioTimer::new())
            .initial_stream_window_size(WINDOWS.0)
            .initial_connection_window_size(WINDOWS.1)
            .max_concurrent_streams(STREAMS)
            .max_header_list_size(head_limit)
            .serve_connection(io, service);
        run(
            pin!(connection),
            |c| c.graceful_shutdown(),
            drain.begun,
            watch,
        )
        .await
    } else {
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(None)
            .max_headers(FIELDS_LIMIT)
            .max_buf_size((head_limit as usize).max(16 * 1024))
            .serve_connection(io, service)
            .with_upgrades();
        run(
            pin!(connection),
            |c| c.graceful_shutdown(),
            drain.due,
            watch,
        )
        .await
    };
    if let Err(why) = ended {
        tracing::debug!(%why, "downstream connection ended");
    }
}

fn head_limit(connection: &Connection) -> u32 {
    /// Envoy's `max_request_headers_kb`.
    const DEFAULT: u32 = 60 * 1024;
    let chain = connection.listener.chains.get(connection.chain);
    match chain.map(|chain| &chain.network) {
        Some(mesh_traffic::Network::Http(manager)) if manager.max_request_head > 0 => {
            manager.max_request_head
        }
        Some(_) | None => DEFAULT,
    }
}

/// Polls a connection to its end, asks it to finish when `drain` says so, and watches its times.
async fn run<C, E>(
    mut connection: Pin<&mut C>,
    finish: impl Fn(Pin<&mut C>),
    drain: CancellationToken,
    mut watch: Watch,
) -> Result<(), String>
where
    C: Future<Output = Result<(), E>>,
    E: std::fmt::Display,
{
    let mut drained = pin!(drain.cancelled());
    let mut finishing = false;
    poll_fn(|cx| {
        if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
            return Poll::Ready(ended.map_err(|error| error.to_string()));
        }
        if !finishing && drained.as_mut().poll(cx).is_ready() {
            finishing = true;
            finish(connection.as_mut());
            if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
                return Poll::Ready(ended.map_err(|error| error.to_string()));
            }
        }
        watch.poll(cx).map(Err)
    })
    .await
}

/// One request, from hyper and back to it.
async fn respond(
    worker: Rc<Worker>,
    connection: Rc<Connection>,
    mut request: http::Request<Incoming>,
    drain: CancellationToken,
    busy: Busy,
) -> Result<http::Response<OutBody>, Broken> {
    let wants_raw = request.headers().contains_key(http::header::UPGRADE);
    let client = wants_raw.then(|| raw_of(hyper::upgrade::on(&mut request)));
    let (parts, incoming) = request.into_parts();
    let arrival = arrival(&parts, &connection, &incoming);
    let body = InBody::of(incoming, Side::Downstream);
    let tasks = worker.connections.clone();
    let outgoing = drive::drive(worker, connection, arrival, body).await?;
    let Outgoing { head, body, raw } = outgoing;
    if let (Some(client), Some(upstream)) = (client, raw) {
        tasks.spawn_local("upgraded connection", upgrade::pass(client, upstream));
    }
    let body = if body_is_over(&body) {
        body
    } else {
        busy.until_end_of(body)
    };
    let mut response = http::Response::new(OutBody(body));
    *response.status_mut() =
        http::StatusCode::from_u16(head.status).unwrap_or(http::StatusCode::BAD_GATEWAY);
    fields_into(&head.fields, response.headers_mut());
    if drain.is_cancelled() && parts.version < http::Version::HTTP_2 {
        let close = http::HeaderValue::from_static("close");
        response
            .headers_mut()
            .insert(http::header::CONNECTION, close);
    }
    Ok(response)
}

fn body_is_over(body: &crate::http::body::Body) -> bool {
    crate::http::body::BodySource::is_end(body)
}

fn raw_of(upgraded: hyper::upgrade::OnUpgrade) -> Raw {
    Box::pin(async move {
        let stream = upgraded.await.map_err(io::Error::other)?;
        Ok(Box::new(TokioIo::new(stream)) as Box<dyn RawStream>)
    })
}

fn arrival(parts: &http::request::Parts, connection: &Connection, incoming: &Incoming) -> Arrival {
    let mut fields = fields_from(&parts.headers);
    let hosts = fields.get_all("host").count();
    // The authority of the target counts before the host field (RFC 9112 3.2.2).
    let authority = match parts.uri.authority() {
        Some(authority) => authority.as_str().to_owned(),
        None => fields.get_str("host").unwrap_or_default().to_owned(),
    };
    fields.remove("host");
    let path = match parts.uri.path_and_query() {
        Some(path) if path.as_str().starts_with('?') => format!("/{path}"),
        Some(path) => path.as_str().to_owned(),
        None if parts.uri.scheme().is_some() => "/".to_owned(),
        None => String::new(),
    };
    let head = RequestHead {
        version: match parts.version {
            http::Version::HTTP_2 => Version::Http2,
            http::Version::HTTP_11 => Version::Http11,
            _ => Version::Http10,
        },
        method: parts.method.as_str().to_owned(),
        scheme: if connection.tls {
            Scheme::Https
        } else {
            Scheme::Http
        },
        authority,
        path,
        fields,
    };
    let bodiless = hyper::body::Body::is_end_stream(incoming);
    Arrival {
        head,
        hosts,
        bodiless,
    }
}

/// The times of a connection.
struct Times {
    head: Duration,
    idle: Duration,
}

impl Times {
    fn of(connection: &Connection, version: Version) -> Self {
        let chain = connection.listener.chains.get(connection.chain);
        let (head, idle) = match chain.map(|chain| &chain.network) {
            Some(mesh_traffic::Network::Http(manager)) => {
                (manager.request_headers_timeout, manager.idle_timeout)
            }
            Some(mesh_traffic::Network::Tcp(_)) | None => (None, None),
        };
        let idle = idle.unwrap_or(FOR_EVER);
        // On HTTP/2 what is heard between requests may be a ping.
        let head = if version == Version::Http2 {
            idle
        } else {
            head.unwrap_or(HEAD_TIMEOUT)
        };
        Self { head, idle }
    }
}

/// What happens on a connection, seen by the task that polls it.
#[derive(Default)]
struct Activity {
    requests: Cell<u32>,
    /// Changes with every request, so that idleness begins anew.
    served: Cell<u64>,
}

/// A request under way on a connection.
struct Busy(Rc<Activity>);

impl Busy {
    fn begin(activity: &Rc<Activity>) -> Self {
        activity.requests.set(activity.requests.get() + 1);
        activity.served.set(activity.served.get() + 1);
        Self(activity.clone())
    }

    /// Lasts until the body was sent.
    fn until_end_of(self, body: crate::http::body::Body) -> crate::http::body::Body {
        crate::upstream::hyper_adapter::WithEnd::wrap(body, move |_| drop(self))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.requests.set(self.0.requests.get().saturating_sub(1));
        self.0.served.set(self.0.served.get() + 1);
    }
}

/// Ends a connection whose client is silent for too long: half-way through a head, or between
/// requests. (hyper's own timer does not tell these apart and would end idle connections.)
struct Watch {
    times: Times,
    activity: Rc<Activity>,
    heard: Arc<AtomicBool>,
    timer: Option<(State, Pin<Box<Sleep>>)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing was heard since the request of that number.
    Idle(u64),
    /// Something was heard, and it is no whole head yet.
    InHead(u64),
}

impl Watch {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<String> {
        if self.activity.requests.get() > 0 {
            self.timer = None;
            self.heard.store(false, Ordering::Relaxed);
            return Poll::Pending;
        }
        let served = self.activity.served.get();
        let in_head = self
            .timer
            .as_ref()
            .is_some_and(|(state, _)| *state == State::InHead(served));
        let state = match in_head || self.heard.swap(false, Ordering::Relaxed) {
            true => State::InHead(served),
            false => State::Idle(served),
        };
        let timer = match &mut self.timer {
            Some((known, timer)) if *known == state => timer,
            other => {
                let time = match state {
                    State::Idle(_) => self.times.idle,
                    State::InHead(_) => self.times.head,
                };
                &mut other.insert((state, Box::pin(tokio::time::sleep(time)))).1
            }
        };
        timer.as_mut().poll(cx).map(|()| match state {
            State::Idle(_) => "idle for too long".to_owned(),
            State::InHead(_) => "the head of a request took too long".to_owned(),
        })
    }
}

/// Notes that the client said something.
struct Heard<I> {
    io: I,
    heard: Arc<AtomicBool>,
}

impl<I: AsyncRead + Unpin> AsyncRead for Heard<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(cx, into);
        if into.filled().len() > before {
            self.heard.store(true, Ordering::Relaxed);
        }
        polled
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Heard<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
