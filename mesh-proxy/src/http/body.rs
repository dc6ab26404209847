//! Bodies of messages: our own type, which every codec reads and writes.
//!
//! A body is pulled part by part, so that a slow reader holds back a fast writer. Nothing is
//! buffered here; `replay.rs` keeps what a second try may need.

use std::task::{Context, Poll};

use bytes::Bytes;
use mesh_http::Fields;

use crate::http::failure::Failure;

/// A piece of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Some bytes.
    Data(Bytes),
    /// The trailer section, which ends the body.
    Trailers(Fields),
}

/// What a codec or a wrapper provides.
pub trait BodySource {
    /// The next part; `None` at the end.
    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Part, Failure>>>;

    /// Bytes that are still to come, where that is known.
    fn remaining(&self) -> Option<u64>;

    /// Whether it is known without a poll that nothing follows.
    fn is_end(&self) -> bool;
}

/// The body of a request or response.
pub struct Body(Kind);

enum Kind {
    Empty,
    Full(Bytes),
    Source(Box<dyn BodySource>),
}

impl Body {
    /// No body.
    #[must_use]
    pub fn empty() -> Self {
        Self(Kind::Empty)
    }

    /// A body that is at hand.
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        if bytes.is_empty() {
            Self::empty()
        } else {
            Self(Kind::Full(bytes))
        }
    }

    /// A body that arrives.
    #[must_use]
    pub fn from_source(source: Box<dyn BodySource>) -> Self {
        Self(Kind::Source(source))
    }
}

impl BodySource for Body {
    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Part, Failure>>> {
        match &mut self.0 {
            Kind::Empty => Poll::Ready(None),
            Kind::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                self.0 = Kind::Empty;
                Poll::Ready(Some(Ok(Part::Data(bytes))))
            }
            Kind::Source(source) => source.poll_part(cx),
        }
    }

    fn remaining(&self) -> Option<u64> {
        match &self.0 {
            Kind::Empty => Some(0),
            Kind::Full(bytes) => Some(bytes.len() as u64),
            Kind::Source(source) => source.remaining(),
        }
    }

    fn is_end(&self) -> bool {
        match &self.0 {
            Kind::Empty => true,
            Kind::Full(_) => false,
            Kind::Source(source) => source.is_end(),
        }
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Body({:?} bytes to come)", self.remaining())
    }
}
