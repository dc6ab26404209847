//! How a client's connection ends: when it is done, told to, broken, or breaks a rule.

use mesh_http::{ErrorCode, Fault, RequestHead, Version};

use crate::conn::drain::Phase;
use crate::http::failure::{Failure, FailureKind, Retry, Side};
use crate::worker::engine::{Conn, ConnKey, Engine};
use crate::worker::overload::Level;

impl Engine {
    /// The client broke a rule in a way that ends the connection.
    pub(super) fn downstream_fault(&mut self, key: ConnKey, fault: Fault, head: &mut RequestHead) {
        self.observer.connection_refused(fault.kind.label());
        let Some(down) = self.downstream(key) else {
            return;
        };
        down.ended = true;
        tracing::debug!(client = %down.connection.client, why = fault.why, "client broke a rule");
        if down.codec.version() == Version::Http2 {
            // GOAWAY says it; requests under way go with the connection.
            self.abandon_all(key, FailureKind::DownstreamGone);
            self.end_downstream_after_flush(key);
        } else if let Some(flow) = self.downstream(key).and_then(|d| d.streams.flows().pop()) {
            let failure = Failure::new(FailureKind::DownstreamBody).caused_by(fault);
            self.body_failed(flow, failure);
        } else {
            let connection = match self.downstream(key) {
                Some(down) => down.connection.clone(),
                None => return,
            };
            let failure = Failure::new(FailureKind::of_fault(fault.kind)).caused_by(fault);
            self.answer_fault(key, connection, std::mem::take(head), failure);
        }
    }

    fn end_downstream_after_flush(&mut self, key: ConnKey) {
        if let Some(Conn::Downstream(down)) = self.conns.get_mut(key) {
            // What cannot leave at once does not leave.
            let _broken = down.wire.flush(down.codec.output(), &mut self.sealing);
        }
        self.close(key);
    }

    /// The client closed its side: without it nobody waits for the answers under way.
    pub(super) fn downstream_ended(&mut self, key: ConnKey) {
        let Some(down) = self.downstream(key) else {
            return;
        };
        down.ended = true;
        match down.codec.end_of_input() {
            Ok(Some(event)) => {
                let mut head = Box::default();
                self.downstream_event(key, event, &mut head);
                self.mark(key);
            }
            Ok(None) => self.hang_up_downstream(key),
            Err(fault) => {
                tracing::debug!(why = fault.why, "client closed");
                self.hang_up_downstream(key);
            }
        }
    }

    pub(super) fn downstream_broken(&mut self, key: ConnKey, error: &std::io::Error) {
        tracing::debug!(%error, "client's connection broke");
        self.hang_up_downstream(key);
    }

    /// Gives up a connection with all that is under way on it.
    pub(crate) fn hang_up_downstream(&mut self, key: ConnKey) {
        self.abandon_all(key, FailureKind::DownstreamGone);
        if let Some(Conn::Downstream(down)) = self.remove(key)
            && let Some((_, timer)) = down.timer
        {
            self.timers.cancel(timer);
        }
    }

    pub(crate) fn abandon_all(&mut self, key: ConnKey, kind: FailureKind) {
        let flows = match self.downstream(key) {
            Some(down) => down.streams.flows(),
            None => return,
        };
        for flow in flows {
            self.abandon(flow, kind);
        }
    }

    pub(super) fn close_downstream(&mut self, key: ConnKey) {
        if let Some(down) = self.downstream(key)
            && let Some((_, timer)) = down.timer.take()
        {
            self.timers.cancel(timer);
        }
        self.close(key);
    }

    /// Looks whether the connection is to finish.
    pub(crate) fn follow_drain(&mut self, key: ConnKey) {
        let Some(down) = self.downstream(key) else {
            return;
        };
        let phase = down.drain.phase();
        let is_h2 = down.codec.version() == Version::Http2;
        if phase >= Phase::Begun && !down.draining && (is_h2 || phase == Phase::Due) {
            down.draining = true;
            down.codec.drain();
        }
        self.mark(key);
    }

    /// Whether the client is to be told with the next answer that the connection ends.
    pub(crate) fn drain_with_answer(&mut self, key: ConnKey) {
        let short = self.level >= Level::Pause;
        if let Some(down) = self.downstream(key)
            && !down.draining
            && (down.drain.phase() >= Phase::Begun
                || short && down.codec.version() != Version::Http2)
        {
            down.draining = true;
            down.codec.drain();
        }
    }
}

/// Codes by which a stream's end is told.
pub(crate) fn reset_code(failure: &Failure) -> ErrorCode {
    match (failure.side, failure.retry) {
        (_, Retry::Safe) => ErrorCode::REFUSED_STREAM,
        // gRPC's clients take this one for a deadline, if theirs has passed.
        _ if failure.kind == FailureKind::RouteTimeout => ErrorCode::CANCEL,
        (Side::Downstream, _) => ErrorCode::CANCEL,
        (Side::Upstream | Side::Local, _) => ErrorCode::INTERNAL_ERROR,
    }
}
