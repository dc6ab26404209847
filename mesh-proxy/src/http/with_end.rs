//! A body that tells when it is over.

use std::task::{Context, Poll};

use crate::http::body::{Body, BodySource, Part};
use crate::http::failure::Failure;

/// Runs something once a body has been read to its end or dropped.
pub struct WithEnd<F: FnOnce(bool)> {
    body: Body,
    end: Option<F>,
}

impl<F: FnOnce(bool) + 'static> WithEnd<F> {
    /// Calls `end` with whether the body was read whole: at its end at the latest when dropped.
    pub fn wrap(body: Body, end: F) -> Body {
        if body.is_end() {
            end(true);
            return body;
        }
        Body::from_source(Box::new(Self {
            body,
            end: Some(end),
        }))
    }

    fn finish(&mut self, whole: bool) {
        if let Some(end) = self.end.take() {
            end(whole);
        }
    }
}

impl<F: FnOnce(bool) + 'static> BodySource for WithEnd<F> {
    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Part, Failure>>> {
        let part = std::task::ready!(self.body.poll_part(cx));
        match &part {
            Some(Err(_)) => self.finish(false),
            Some(Ok(_)) if !self.body.is_end() => {}
            Some(Ok(_)) | None => self.finish(true),
        }
        Poll::Ready(part)
    }

    fn remaining(&self) -> Option<u64> {
        self.body.remaining()
    }

    fn is_end(&self) -> bool {
        self.body.is_end()
    }
}

impl<F: FnOnce(bool)> Drop for WithEnd<F> {
    fn drop(&mut self) {
        if let Some(end) = self.end.take() {
            end(false);
        }
    }
}
