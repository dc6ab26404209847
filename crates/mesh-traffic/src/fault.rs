//! Faults that are made on purpose: a pause before a request goes on, and an answer instead of it.
//!
//! Delay and abort are drawn for by themselves, the delay comes first, as in Envoy's fault filter.

use std::time::Duration;

/// What is made to go wrong on a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fault {
    /// Some requests wait.
    pub delay: Option<(Share, Duration)>,
    /// Some requests are answered here.
    pub abort: Option<(Share, Abort)>,
}

/// With what a request is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Abort {
    /// A status of HTTP; gRPC clients get what it means to them.
    Http(u16),
    /// A status of gRPC; other clients get 200.
    Grpc(u16),
}

/// A share of all requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// So many of...
    pub numerator: u32,
    /// ...so many.
    pub denominator: u32,
}

/// What goes wrong with one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Injected {
    /// It waits.
    pub delay: Option<Duration>,
    /// It is answered here.
    pub abort: Option<Abort>,
}

impl Share {
    /// All requests.
    pub const ALL: Self = Self {
        numerator: 1,
        denominator: 1,
    };

    /// Whether every request is one of them, so that there is nothing to draw.
    #[must_use]
    pub fn takes_all(self) -> bool {
        self.denominator > 0 && self.numerator >= self.denominator
    }

    /// Whether a request with this draw is one of them.
    #[must_use]
    pub fn takes(self, draw: u64) -> bool {
        draw.checked_rem(u64::from(self.denominator))
            .is_some_and(|point| point < u64::from(self.numerator))
    }
}

impl Fault {
    /// Draws for one request.
    #[must_use]
    pub fn draw(&self, mut random: impl FnMut() -> u64) -> Injected {
        let delay = self.delay.filter(|(share, _)| share.takes(random()));
        let abort = self.abort.filter(|(share, _)| share.takes(random()));
        Injected {
            delay: delay.map(|(_, delay)| delay),
            abort: abort.map(|(_, abort)| abort),
        }
    }
}

#[cfg(test)]
mod tests;
