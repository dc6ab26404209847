//! The end of a connection that nobody is to blame for: GOAWAY both ways (RFC 9113 6.8).

use std::time::Instant;

use super::{Connection, Role, Step};
use crate::h2::frame::{self, FrameHeader, MAX_31};
use crate::{ErrorCode, Event, Fault};

/// The PING whose answer shows that the client has read our first GOAWAY.
pub(super) const DRAIN_PING: [u8; 8] = *b"mesh end";

/// How far both sides are.
#[derive(Debug, Default)]
pub(crate) struct Closing {
    ours: Ours,
    /// The last stream that the server says it will work on, once it has said so.
    theirs: Option<u32>,
    /// Streams beyond it are still to be told of, and then that the peer is going away.
    untold: Option<Untold>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Ours {
    #[default]
    Open,
    /// The first GOAWAY is out, which only asks for no further streams.
    Asked,
    /// The last GOAWAY is out, with this stream in it.
    Said(u32),
}

#[derive(Debug, Clone, Copy)]
struct Untold {
    code: ErrorCode,
    is_first: bool,
}

impl Connection {
    /// Lets the connection end. A client's requests may be under way when the server begins to
    /// close; so it asks first, and says which ones it takes when the answer to a PING shows that
    /// the client knows. Asked a second time it does not wait for that.
    pub(crate) fn drain(&mut self) {
        match (self.closing.ours, self.role) {
            _ if self.has_failed => {}
            (Ours::Open, Role::Server) => {
                self.wire.go_away(MAX_31, ErrorCode::NO_ERROR);
                self.wire.ping(0, &DRAIN_PING);
                self.closing.ours = Ours::Asked;
            }
            (Ours::Asked, _) | (Ours::Open, Role::Client) => self.say_last(),
            (Ours::Said(_), _) => {}
        }
    }

    /// The answer to the PING of [`Connection::drain`] came.
    pub(super) fn on_drain_ping(&mut self) {
        if self.closing.ours == Ours::Asked {
            self.say_last();
        }
    }

    fn say_last(&mut self) {
        let last = self.last_processed();
        self.wire.go_away(last, ErrorCode::NO_ERROR);
        self.closing.ours = Ours::Said(last);
    }

    /// The last stream of the peer's that was or will be worked on.
    pub(super) fn last_processed(&self) -> u32 {
        match (self.role, self.closing.ours) {
            (Role::Client, _) => 0,
            (Role::Server, Ours::Said(last)) => last,
            (Role::Server, Ours::Open | Ours::Asked) => self.highest,
        }
    }

    /// Whether streams that the client opens now are ignored.
    pub(crate) fn takes_no_more(&self) -> bool {
        matches!(self.closing.ours, Ours::Said(_))
    }

    /// Whether no request may be begun any more.
    pub(crate) fn is_closing(&self) -> bool {
        self.has_failed || self.closing.ours != Ours::Open || self.closing.theirs.is_some()
    }

    pub(crate) fn is_over(&self) -> bool {
        let by_peer = self.role == Role::Client && self.closing.theirs.is_some();
        let is_done = self.takes_no_more() || by_peer;
        self.has_failed || (is_done && self.streams.is_empty() && self.closing.untold.is_none())
    }

    pub(super) fn on_go_away<'b>(
        &mut self,
        now: Instant,
        header: FrameHeader,
        payload: &'b [u8],
    ) -> Result<Option<Step<'b>>, Fault> {
        if header.stream != 0 {
            return Err(self.protocol("RFC 9113 6.8: GOAWAY on a stream"));
        }
        let (Some(last), Some(code)) = (
            frame::u32_of(payload),
            payload.get(4..).and_then(frame::u32_of),
        ) else {
            return Err(self.frame_size("RFC 9113 6.8: GOAWAY is too short"));
        };
        self.charge(now, 4)?;
        // What a client says with it concerns pushes only.
        if self.role == Role::Client {
            let last = last & MAX_31;
            let before = self.closing.theirs.replace(last);
            self.closing.theirs = Some(before.unwrap_or(last).min(last));
            self.closing.untold = Some(Untold {
                code: ErrorCode(code),
                is_first: before.is_none(),
            });
        }
        Ok(None)
    }

    /// What is left to be told after a GOAWAY: the streams it leaves out, then the GOAWAY itself.
    pub(super) fn next_lost(&mut self) -> Option<Event<'static>> {
        let untold = self.closing.untold?;
        let last = self.closing.theirs.unwrap_or(MAX_31);
        let lost = self
            .streams
            .iter()
            .map(|stream| stream.id)
            .find(|id| *id > last);
        if let Some(stream) = lost {
            self.streams.remove(stream);
            self.past.drop(stream);
            return Some(Event::Reset {
                stream,
                code: untold.code,
                processed: false,
            });
        }
        self.closing.untold = None;
        untold.is_first.then_some(Event::GoingAway)
    }
}
