//! Between hyper's messages and ours: fields, bodies and errors.
//!
//! Used by the two adapters alone. The next codec fills our types itself and this file goes.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use mesh_http::Fields;
use mesh_runtime::Tasks;

use crate::http::body::{Body, BodySource, Part};
use crate::http::failure::{Failure, FailureKind, Retry, Side};

/// Copies header fields out of hyper's map.
pub(crate) fn fields_from(map: &HeaderMap) -> Fields {
    let mut fields = Fields::new();
    for (name, value) in map {
        if let Err(error) = fields.append(name.as_str(), value.as_bytes()) {
            // The codec has checked both; what it lets through and we do not is dropped.
            tracing::debug!(header = %name, %error, "header field dropped");
        }
    }
    fields
}

/// Copies header fields into hyper's map.
pub(crate) fn fields_into(fields: &Fields, map: &mut HeaderMap) {
    map.reserve(fields.len());
    for (name, value) in fields.iter() {
        let pair = (
            HeaderName::from_bytes(name.as_bytes()),
            HeaderValue::from_bytes(value),
        );
        if let (Ok(name), Ok(value)) = pair {
            map.append(name, value);
        } else {
            tracing::debug!(header = name, "header field dropped: no codec can write it");
        }
    }
}

/// A body that hyper reads from us.
pub(crate) struct OutBody(pub(crate) Body);

impl http_body::Body for OutBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        self.0.poll_part(cx).map(|part| {
            part.map(|part| match part {
                Ok(Part::Data(bytes)) => Ok(Frame::data(bytes)),
                Ok(Part::Trailers(fields)) => {
                    let mut map = HeaderMap::new();
                    fields_into(&fields, &mut map);
                    Ok(Frame::trailers(map))
                }
                Err(failure) => Err(Broken::from(failure)),
            })
        })
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end()
    }

    fn size_hint(&self) -> SizeHint {
        self.0
            .remaining()
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// A body that hyper reads from a peer.
pub(crate) struct InBody {
    incoming: Incoming,
    side: Side,
}

impl InBody {
    /// The body of a message from the given side; empty ones cost nothing.
    pub(crate) fn of(incoming: Incoming, side: Side) -> Body {
        if incoming.is_end_stream() {
            return Body::empty();
        }
        Body::from_source(Box::new(Self { incoming, side }))
    }
}

impl BodySource for InBody {
    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Part, Failure>>> {
        loop {
            let Some(frame) = std::task::ready!(Pin::new(&mut self.incoming).poll_frame(cx)) else {
                return Poll::Ready(None);
            };
            match frame.map(Frame::into_data) {
                Ok(Ok(bytes)) if bytes.is_empty() => {}
                Ok(Ok(bytes)) => return Poll::Ready(Some(Ok(Part::Data(bytes)))),
                Ok(Err(other)) => {
                    if let Ok(trailers) = other.into_trailers() {
                        return Poll::Ready(Some(Ok(Part::Trailers(fields_from(&trailers)))));
                    }
                }
                Err(error) => return Poll::Ready(Some(Err(body_failure(error, self.side)))),
            }
        }
    }

    fn remaining(&self) -> Option<u64> {
        self.incoming.size_hint().exact()
    }

    fn is_end(&self) -> bool {
        self.incoming.is_end_stream()
    }
}

fn body_failure(error: hyper::Error, side: Side) -> Failure {
    let kind = match side {
        Side::Downstream if is_protocol_error(&error) => FailureKind::DownstreamBody,
        Side::Downstream | Side::Local => FailureKind::DownstreamGone,
        Side::Upstream if h2_error(&error).is_some_and(h2::Error::is_reset) => {
            FailureKind::UpstreamReset
        }
        Side::Upstream => FailureKind::UpstreamClosed,
    };
    Failure::new(kind).caused_by(error)
}

fn is_protocol_error(error: &hyper::Error) -> bool {
    error.is_parse()
        || h2_error(error).is_some_and(|e| e.reason() == Some(h2::Reason::PROTOCOL_ERROR))
}

/// The h2 error at the bottom of one of hyper's.
pub(crate) fn h2_error(error: &hyper::Error) -> Option<&h2::Error> {
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        if let Some(found) = inner.downcast_ref::<h2::Error>() {
            return Some(found);
        }
        cause = inner.source();
    }
    None
}

/// A failure on its way through hyper: its source tells HTTP/2 how to reset the stream.
pub(crate) struct Broken {
    /// What happened.
    pub(crate) failure: Failure,
    reset: h2::Error,
}

impl From<Failure> for Broken {
    fn from(failure: Failure) -> Self {
        let reason = match (failure.side, failure.retry) {
            (_, Retry::Safe) => h2::Reason::REFUSED_STREAM,
            (Side::Downstream, _) => h2::Reason::CANCEL,
            (Side::Upstream | Side::Local, _) => h2::Reason::INTERNAL_ERROR,
        };
        Self {
            failure,
            reset: h2::Error::from(reason),
        }
    }
}

impl fmt::Debug for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.failure, f)
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.failure.kind, self.failure.reason())
    }
}

impl std::error::Error for Broken {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.reset)
    }
}

/// Runs hyper's own tasks on the worker's thread.
#[derive(Clone)]
pub(crate) struct LocalExecutor(pub(crate) Tasks);

impl<F> hyper::rt::Executor<F> for LocalExecutor
where
    F: Future + 'static,
{
    fn execute(&self, future: F) {
        self.0.spawn_local("http2 stream", async move {
            future.await;
        });
    }
}
