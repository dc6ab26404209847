//! The one place where clients are served through hyper.
//!
//! Turns hyper's requests into arrivals and outgoing answers into hyper's responses, and keeps the
//! times of the connection itself: head, idleness, drain.

mod watch;

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;

use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use mesh_http::{RequestHead, Scheme, Version};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use self::watch::{Busy, Watch};
use crate::conn::drain::Drain;
use crate::http::connection::Connection;
use crate::http::drive::{self, Outgoing};
use crate::http::failure::Side;
use crate::http::head::Arrival;
use crate::http::upgrade::{self, Raw, RawStream};
use crate::upstream::hyper_adapter::convert::{
    Broken, InBody, LocalExecutor, OutBody, fields_from, fields_into,
};
use crate::worker::Worker;

/// Most header fields of a request.
const FIELDS_LIMIT: usize = 100;
/// Streams at once on one connection.
const STREAMS: u32 = 1024;
/// Flow-control windows of HTTP/2: of a stream, of a connection.
const WINDOWS: (u32, u32) = (256 * 1024, 1024 * 1024);

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
    let (io, watch, activity) = watch::over(io, &connection, version);
    let io = TokioIo::new(io);
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
    if drain.is_cancelled() && parts.version < http::Version::HTTP_2 && head.status != 101 {
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
