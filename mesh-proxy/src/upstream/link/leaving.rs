//! How requests leave a connection to an endpoint: whole, given up now or a little later.

use std::time::{Duration, Instant};

use mesh_http::{ErrorCode, StreamId, Version};

use super::State;
use crate::http::flow::Leg;
use crate::worker::engine::{Conn, ConnKey, Due, Engine, Work};

/// Streams that were open longer than this are no rapid resets for anybody; those whose reset is put
/// off are kept so long.
const RAPID: Duration = Duration::from_millis(1_100);

impl Engine {
    /// Gives up the streams whose time has come.
    pub(super) fn reset_late(&mut self, key: ConnKey) {
        let now = self.now;
        let Some(Conn::Link(link)) = self.conns.get_mut(key) else {
            return;
        };
        let State::Open { codec, .. } = &mut link.state else {
            return;
        };
        while let Some((_, stream, code)) = link.put_off.pop_front_if(|(due, ..)| *due <= now) {
            codec.reset(stream, code);
        }
        let pool = link.pool;
        if let Some((due, ..)) = link.put_off.front() {
            self.timers.set(*due, Due::Conn(key));
        }
        self.mark(key);
        self.serve_waiting(pool);
    }
    /// A request has done with a connection: it is free again when the exchange is `whole`, else
    /// what is under way there is given up.
    pub(crate) fn leave_link(&mut self, leg: Leg, whole: bool, code: ErrorCode) {
        let key = leg.link;
        let now = self.now;
        let Some(link) = self.link(key) else {
            return;
        };
        link.idle_since = now;
        link.held = 0;
        let pool = link.pool;
        let is_h2 = link.version() == Version::Http2;
        if let Some(stream) = leg.stream {
            link.streams.remove(stream);
            if !whole {
                self.give_up_stream(key, stream, code, leg.since);
            }
        }
        let Some(link) = self.link(key) else {
            return;
        };
        let room = link.room();
        self.mark(key);
        if is_h2 {
            self.serve_waiting(pool);
        } else if room > 0 && (whole || leg.stream.is_none()) {
            // Not at once: bytes that came with the answer must not meet the next request.
            self.work.push_back(Work::Free(key));
        } else if code == ErrorCode::NO_ERROR {
            self.retire_link(key);
        } else {
            self.pool_forget(pool, key);
            self.remove(key);
        }
    }

    /// Resets a stream now, or a little later if there were too many of late.
    fn give_up_stream(&mut self, key: ConnKey, stream: StreamId, code: ErrorCode, since: Instant) {
        let now = self.now;
        let Some(Conn::Link(link)) = self.conns.get_mut(key) else {
            return;
        };
        let State::Open { codec, .. } = &mut link.state else {
            return;
        };
        if now.saturating_duration_since(since) >= RAPID || codec.may_reset(now, stream) {
            return codec.reset(stream, code);
        }
        let due = now + RAPID;
        link.put_off.push_back((due, stream, code));
        if link.put_off.len() == 1 {
            self.timers.set(due, Due::Conn(key));
        }
    }

    /// A connection of HTTP/1 has nothing more to say to its last request.
    pub(crate) fn free_link(&mut self, key: ConnKey) {
        let Some(link) = self.link(key) else {
            return;
        };
        let (pool, is_free) = (link.pool, link.streams.is_empty() && link.room() > 0);
        if is_free {
            self.pool_free(pool, key);
        }
    }

    /// A shared connection serves the requests that it has, and is closed then.
    pub(crate) fn drain_link(&mut self, key: ConnKey) {
        let Some(link) = self.link(key) else {
            return;
        };
        let pool = link.pool;
        if let Some(codec) = link.codec() {
            codec.drain();
        }
        self.pool_forget(pool, key);
        self.mark(key);
    }

    /// Ends a connection that nobody uses.
    pub(crate) fn retire_link(&mut self, key: ConnKey) {
        if self.link(key).is_none() {
            return;
        }
        self.drain_link(key);
        if let Some(Conn::Link(link)) = self.conns.get_mut(key)
            && let State::Open { codec, .. } = &mut link.state
        {
            let _broken = link.wire.flush(codec.output(), &mut self.sealing);
        }
        self.close(key);
    }
}
