//! A request body that can be sent more than once, within a bound.
//!
//! What an attempt has read is kept until it passes [`REPLAY_LIMIT`]; then the request can be sent
//! no more than this once. Attempts follow one another: a new reader takes the source over.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::http::body::{Body, BodySource, Part};
use crate::http::failure::Failure;

/// Bytes of a request body that are kept for a second try (Envoy's per-try buffer is 1 MiB; a
/// sidecar's memory is worth more than the retry of an upload).
pub const REPLAY_LIMIT: usize = 64 * 1024;

const PART_COST: usize = size_of::<Part>();

/// The body of a request for all of its attempts.
#[derive(Clone)]
pub struct Replay(Rc<RefCell<Shared>>);

struct Shared {
    source: Body,
    kept: Vec<Part>,
    kept_bytes: usize,
    received: u64,
    overflowed: bool,
    ended: bool,
    attempt: u32,
    on_end: Option<Waker>,
}

impl Replay {
    /// Takes the body of a request.
    #[must_use]
    pub fn new(source: Body) -> Self {
        let ended = source.is_end();
        Self(Rc::new(RefCell::new(Shared {
            source,
            kept: Vec::new(),
            kept_bytes: 0,
            received: 0,
            overflowed: false,
            ended,
            attempt: 0,
            on_end: None,
        })))
    }

    /// Whether a further attempt would send the same bytes.
    #[must_use]
    pub fn can_repeat(&self) -> bool {
        !self.0.borrow().overflowed
    }

    /// Bytes that have come from the client.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.0.borrow().received
    }

    /// The body for the next attempt, from its start; an earlier reader gets no more parts.
    #[must_use]
    pub fn reader(&self) -> Body {
        let mut shared = self.0.borrow_mut();
        shared.attempt += 1;
        let nothing_sent = shared.kept.is_empty() && !shared.overflowed;
        if shared.ended && nothing_sent {
            return Body::empty();
        }
        Body::from_source(Box::new(Reader {
            shared: self.0.clone(),
            attempt: shared.attempt,
            next: 0,
        }))
    }

    /// Ready once the whole body has come from the client.
    pub fn poll_ended(&self, cx: &Context<'_>) -> Poll<()> {
        let mut shared = self.0.borrow_mut();
        if shared.ended {
            return Poll::Ready(());
        }
        shared.on_end = Some(cx.waker().clone());
        Poll::Pending
    }
}

struct Reader {
    shared: Rc<RefCell<Shared>>,
    attempt: u32,
    next: usize,
}

impl BodySource for Reader {
    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Part, Failure>>> {
        let shared = &mut *self.shared.borrow_mut();
        if shared.attempt != self.attempt {
            return Poll::Pending;
        }
        if let Some(part) = shared.kept.get(self.next) {
            self.next += 1;
            return Poll::Ready(Some(Ok(part.clone())));
        }
        if shared.ended {
            return Poll::Ready(None);
        }
        let polled = shared.source.poll_part(cx);
        match &polled {
            Poll::Ready(Some(Ok(part))) => shared.keep(part, &mut self.next),
            Poll::Ready(None) => shared.end(),
            // What was kept is not the whole body, so it must not be sent as if it were.
            Poll::Ready(Some(Err(_))) => {
                shared.overflowed = true;
                shared.kept = Vec::new();
                shared.end();
            }
            Poll::Pending => {}
        }
        polled
    }

    fn remaining(&self) -> Option<u64> {
        let shared = self.shared.borrow();
        let kept = shared
            .kept
            .iter()
            .skip(self.next)
            .map(part_len)
            .sum::<u64>();
        let to_come = if shared.ended {
            0
        } else {
            shared.source.remaining()?
        };
        Some(kept + to_come)
    }

    fn is_end(&self) -> bool {
        let shared = self.shared.borrow();
        shared.ended && self.next >= shared.kept.len()
    }
}

impl Shared {
    fn keep(&mut self, part: &Part, next: &mut usize) {
        self.received += part_len(part);
        if matches!(part, Part::Trailers(_)) || self.source.is_end() {
            self.end();
        }
        if self.overflowed {
            return;
        }
        // A body of tiny parts is bounded by what holding them costs.
        self.kept_bytes += usize::try_from(part_len(part)).unwrap_or(usize::MAX) + PART_COST;
        if self.kept_bytes > REPLAY_LIMIT {
            self.overflowed = true;
            self.kept = Vec::new();
            *next = 0;
        } else {
            self.kept.push(part.clone());
            *next = self.kept.len();
        }
    }

    fn end(&mut self) {
        self.ended = true;
        if let Some(waker) = self.on_end.take() {
            waker.wake();
        }
    }
}

fn part_len(part: &Part) -> u64 {
    match part {
        Part::Data(bytes) => bytes.len() as u64,
        Part::Trailers(_) => 0,
    }
}

#[cfg(test)]
mod tests;
