//! The one place where requests are sent through hyper.
//!
//! Speaks HTTP/1.1 or HTTP/2 over a byte stream that somebody else opened, and tells apart the
//! failures after which nothing can have happened to the request.

pub(crate) mod convert;
mod counted;

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use mesh_http::{RequestHead, ResponseHead, Version};
use mesh_runtime::Tasks;
use tokio::io::{AsyncRead, AsyncWrite};

use self::convert::{Broken, InBody, LocalExecutor, OutBody, fields_from, fields_into, h2_error};
use self::counted::Counted;
use crate::http::body::{Body, BodySource};
use crate::http::failure::{Failure, FailureKind, Side};
use crate::http::upgrade::Raw;

/// Most bytes of a response head (Envoy's default is 60 KiB).
const HEAD_LIMIT: usize = 60 * 1024;
/// Most header fields of a response head.
const FIELDS_LIMIT: usize = 200;
/// Flow-control windows of HTTP/2: of a stream, of a connection.
const WINDOWS: (u32, u32) = (256 * 1024, 1024 * 1024);

/// A connection over which requests are sent one after another.
pub struct Http1 {
    sender: http1::SendRequest<OutBody>,
    received: Arc<AtomicU64>,
}

/// A connection over which requests are sent side by side.
#[derive(Clone)]
pub struct Http2 {
    sender: http2::SendRequest<OutBody>,
    retired: Rc<Cell<bool>>,
}

/// The upstream's answer.
pub struct Answer {
    /// Status and fields.
    pub head: ResponseHead,
    /// The body.
    pub body: Body,
    /// After 101: the connection's bytes.
    pub raw: Option<Raw>,
}

/// What became of an HTTP/1 connection after it answered.
pub enum After {
    /// It takes another request once the answer's body was read.
    Kept(Http1),
    /// It is over.
    Gone,
}

impl Http1 {
    /// Starts HTTP/1.1 on a byte stream.
    ///
    /// # Errors
    /// [`FailureKind::ConnectFailed`] when the stream is broken already.
    pub async fn start<I>(io: I, tasks: &Tasks) -> Result<Self, Failure>
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let received = Arc::new(AtomicU64::new(0));
        let counted = Counted {
            io,
            received: received.clone(),
        };
        let (sender, connection) = http1::Builder::new()
            .max_header_size(HEAD_LIMIT)
            .max_headers(FIELDS_LIMIT)
            .max_buf_size(2 * HEAD_LIMIT)
            .handshake(TokioIo::new(counted))
            .await
            .map_err(|error| Failure::safe(FailureKind::ConnectFailed).caused_by(error))?;
        tasks.spawn_local("http1 upstream", async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(%error, "upstream connection ended");
            }
        });
        Ok(Self { sender, received })
    }

    /// Whether the peer has closed it.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Ready when another request may be sent.
    pub fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        self.sender.poll_ready(cx).map(|ready| ready.is_ok())
    }

    /// Sends a request and waits for the head of its answer.
    ///
    /// # Errors
    /// A [`Failure`] of the upstream, or of the downstream when its body broke off. Dropping the
    /// future closes the connection.
    pub async fn send(
        mut self,
        head: &RequestHead,
        body: Body,
    ) -> Result<(Answer, After), Failure> {
        let request = request_of(head, body, Version::Http11)?;
        let before = self.received.load(Ordering::Relaxed);
        match self.sender.try_send_request(request).await {
            Ok(response) if response.status() == http::StatusCode::SWITCHING_PROTOCOLS => {
                let mut response = response;
                let upgraded = hyper::upgrade::on(&mut response);
                let raw: Raw = Box::pin(async move {
                    let stream = upgraded.await.map_err(io::Error::other)?;
                    Ok(Box::new(TokioIo::new(stream)) as Box<dyn crate::http::upgrade::RawStream>)
                });
                let mut answer = answer_of(response);
                answer.raw = Some(raw);
                Ok((answer, After::Gone))
            }
            Ok(response) => Ok((answer_of(response), After::Kept(self))),
            Err(mut error) => {
                let untouched = error.take_message().is_some();
                let began = self.received.load(Ordering::Relaxed) != before;
                Err(http1_failure(error.into_error(), untouched, began))
            }
        }
    }
}

fn http1_failure(error: hyper::Error, untouched: bool, began: bool) -> Failure {
    if let Some(failure) = of_our_body(&error) {
        return failure;
    }
    let failure = match (untouched, began) {
        (true, _) => Failure::safe(FailureKind::UpstreamClosed),
        (false, true) if error.is_parse() => Failure::new(FailureKind::UpstreamProtocol),
        (false, true) => Failure::new(FailureKind::UpstreamClosed),
        (false, false) => Failure::if_reused(FailureKind::UpstreamClosed),
    };
    failure.caused_by(error)
}

impl Http2 {
    /// Starts HTTP/2 on a byte stream.
    ///
    /// # Errors
    /// [`FailureKind::ConnectFailed`] when the preface cannot be written.
    pub async fn start<I>(io: I, tasks: &Tasks) -> Result<Self, Failure>
    where
        I: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let (sender, connection) = http2::Builder::new(LocalExecutor(tasks.clone()))
            .timer(TokioTimer::new())
            .initial_stream_window_size(WINDOWS.0)
            .initial_connection_window_size(WINDOWS.1)
            .max_header_list_size(u32::try_from(HEAD_LIMIT).unwrap_or(u32::MAX))
            .handshake(TokioIo::new(io))
            .await
            .map_err(|error| Failure::safe(FailureKind::ConnectFailed).caused_by(error))?;
        tasks.spawn_local("http2 upstream", async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "upstream connection ended");
            }
        });
        Ok(Self {
            sender,
            retired: Rc::default(),
        })
    }

    /// Whether it takes no more requests: it is closed, or its peer said so.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.retired.get() || self.sender.is_closed()
    }

    /// Sends a request and waits for the head of its answer.
    ///
    /// # Errors
    /// A [`Failure`] of the upstream, or of the downstream when its body broke off. Dropping the
    /// future resets the stream.
    pub async fn send(&mut self, head: &RequestHead, body: Body) -> Result<Answer, Failure> {
        let request = request_of(head, body, Version::Http2)?;
        match self.sender.try_send_request(request).await {
            Ok(response) => Ok(answer_of(response)),
            Err(mut error) => {
                let untouched = error.take_message().is_some();
                let error = error.into_error();
                if untouched || h2_error(&error).is_none_or(|e| !e.is_reset()) {
                    self.retired.set(true);
                }
                Err(http2_failure(error, untouched))
            }
        }
    }
}

fn http2_failure(error: hyper::Error, untouched: bool) -> Failure {
    if let Some(failure) = of_our_body(&error) {
        return failure;
    }
    let failure = match h2_error(&error) {
        _ if untouched => Failure::safe(FailureKind::UpstreamClosed),
        // After GOAWAY only streams that the peer has not taken up end with it (RFC 9113 6.8).
        Some(e) if e.is_go_away() && e.is_remote() && e.reason() == Some(h2::Reason::NO_ERROR) => {
            Failure::safe(FailureKind::UpstreamClosed)
        }
        Some(e) if e.is_reset() && e.is_remote() => match e.reason() {
            Some(h2::Reason::REFUSED_STREAM) => Failure::safe(FailureKind::UpstreamRefusedStream),
            Some(_) | None => Failure::new(FailureKind::UpstreamReset),
        },
        Some(e) if e.is_reset() => Failure::new(FailureKind::UpstreamProtocol),
        Some(_) | None => Failure::if_reused(FailureKind::UpstreamClosed),
    };
    failure.caused_by(error)
}

/// The failure of the request's own body, when that is what ended the exchange.
fn of_our_body(error: &hyper::Error) -> Option<Failure> {
    let broken = std::error::Error::source(error)?.downcast_ref::<Broken>()?;
    Some(Failure::new(broken.failure.kind).caused_by(broken.failure.reason()))
}

fn request_of(
    head: &RequestHead,
    body: Body,
    version: Version,
) -> Result<http::Request<OutBody>, Failure> {
    let bad = |error: http::Error| Failure::new(FailureKind::BadRequest).caused_by(error);
    let uri = match version {
        Version::Http2 => http::Uri::builder()
            .scheme(head.scheme.as_str())
            .authority(head.authority.as_str())
            .path_and_query(head.path.as_str())
            .build(),
        Version::Http10 | Version::Http11 => http::Uri::builder()
            .path_and_query(head.path.as_str())
            .build(),
    };
    // hyper takes a GET whose body has no known length for one without a body.
    let unmeasured = !body.is_end() && body.remaining().is_none();
    let mut request = http::Request::builder()
        .method(head.method.as_str())
        .uri(uri.map_err(bad)?)
        .body(OutBody(body))
        .map_err(bad)?;
    let headers = request.headers_mut();
    if version != Version::Http2 {
        let host = http::HeaderValue::from_str(&head.authority).map_err(|e| bad(e.into()))?;
        headers.insert(http::header::HOST, host);
    }
    fields_into(&head.fields, headers);
    let measured = headers.contains_key(http::header::CONTENT_LENGTH);
    if version != Version::Http2 && unmeasured && !measured {
        let chunked = http::HeaderValue::from_static("chunked");
        headers.insert(http::header::TRANSFER_ENCODING, chunked);
    }
    Ok(request)
}

fn answer_of(response: http::Response<hyper::body::Incoming>) -> Answer {
    let (parts, incoming) = response.into_parts();
    let head = ResponseHead {
        version: match parts.version {
            http::Version::HTTP_2 => Version::Http2,
            http::Version::HTTP_10 => Version::Http10,
            _ => Version::Http11,
        },
        status: parts.status.as_u16(),
        fields: fields_from(&parts.headers),
    };
    Answer {
        head,
        body: InBody::of(incoming, Side::Upstream),
        raw: None,
    }
}

/// Waits until an HTTP/1 connection takes another request; `None` when it was closed instead.
pub async fn ready_again(mut connection: Http1) -> Option<Http1> {
    let ready = std::future::poll_fn(|cx| connection.poll_ready(cx)).await;
    ready.then_some(connection)
}
