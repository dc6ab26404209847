//! What a client's connection waits for, and how long.

use std::time::{Duration, Instant};

use mesh_http::{RequestHead, Version};

use super::Downstream;
use crate::http::failure::FailureKind;
use crate::worker::engine::{ConnKey, Due, Engine};

/// How long a request's head may take from its first byte, where the listener says nothing.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

impl Downstream {
    /// When it is to be closed for want of activity.
    fn deadline(&self) -> Option<(Instant, FailureKind)> {
        let manager = self.manager();
        if let Some(since) = self.stalled_since {
            let bound = manager.and_then(|manager| manager.stream_idle_timeout);
            return Some((since + bound?, FailureKind::StreamIdle));
        }
        if !self.streams.is_empty() {
            return None;
        }
        if let Some(since) = self.head_since {
            let bound = manager.and_then(|manager| manager.request_headers_timeout);
            let at = since + bound.unwrap_or(HEAD_TIMEOUT);
            return Some((at, FailureKind::HeadTimeout));
        }
        let bound = manager.and_then(|manager| manager.idle_timeout)?;
        Some((self.idle_since + bound, FailureKind::Draining))
    }
}

impl Engine {
    /// Sets the timer of a connection to its next deadline, if that is earlier than the one set.
    pub(super) fn watch_downstream(&mut self, key: ConnKey) {
        let now = self.now;
        let Some(down) = self.downstream(key) else {
            return;
        };
        let in_head = down.streams.is_empty()
            && down.codec.version() != Version::Http2
            && down.codec.is_in_head();
        if !in_head {
            down.head_since = None;
        } else if down.head_since.is_none() {
            down.head_since = Some(now);
        }
        let Some((deadline, _)) = down.deadline() else {
            return;
        };
        match down.timer {
            Some((set, _)) if set <= deadline => {}
            other => {
                if let Some((_, timer)) = other {
                    self.timers.cancel(timer);
                }
                let timer = self.timers.set(deadline, Due::Conn(key));
                if let Some(down) = self.downstream(key) {
                    down.timer = Some((deadline, timer));
                }
            }
        }
    }

    /// The timer of a connection went off: something may be due, or has moved on since.
    pub(crate) fn downstream_due(&mut self, key: ConnKey) {
        let now = self.now;
        let Some(down) = self.downstream(key) else {
            return;
        };
        down.timer = None;
        match down.deadline() {
            Some((at, kind)) if at <= now => {
                tracing::debug!(?kind, "client was silent for too long");
                match kind {
                    FailureKind::HeadTimeout => return self.head_timed_out(key),
                    FailureKind::StreamIdle => return self.client_stalled(key),
                    _ => {}
                }
                if let Some(down) = self.downstream(key) {
                    down.codec.drain();
                    if down.codec.is_over() {
                        return self.mark(key);
                    }
                }
                self.hang_up_downstream(key);
            }
            Some(_) | None => self.watch_downstream(key),
        }
    }

    /// The rest of a head has not come in time.
    fn head_timed_out(&mut self, key: ConnKey) {
        let Some(down) = self.downstream(key) else {
            return;
        };
        if !down.codec.give_up_head() {
            self.observer.connection_refused("head_timeout");
            return self.hang_up_downstream(key);
        }
        down.ended = true;
        down.head_since = None;
        let connection = down.connection.clone();
        let failure = FailureKind::HeadTimeout.into();
        self.answer_fault(key, connection, RequestHead::default(), failure);
        self.mark(key);
    }

    /// The client takes nothing of what it has asked for.
    fn client_stalled(&mut self, key: ConnKey) {
        self.observer.connection_refused("client_stalled");
        self.abandon_all(key, FailureKind::StreamIdle);
        if let Some(down) = self.downstream(key) {
            down.wire.cut();
        }
        self.hang_up_downstream(key);
    }
}
