//! Frames that steer: SETTINGS, PING, WINDOW_UPDATE, RST_STREAM, PRIORITY.

use std::time::Instant;

use super::closing::DRAIN_PING;
use super::{Connection, Place, Role, Step};
use crate::h2::flow::Overflow;
use crate::h2::frame::{self, FrameHeader, MAX_31};
use crate::h2::settings::{self, Peer};
use crate::h2::stream::Send;
use crate::{ErrorCode, Event, Fault, FaultKind};

/// What a SETTINGS frame costs compared with others: it is read entry by entry, and may touch every
/// stream.
const SETTINGS_COST: u64 = 4;

impl Connection {
    /// RFC 9113 6.5
    pub(super) fn on_settings<'b>(
        &mut self,
        now: Instant,
        header: FrameHeader,
        payload: &'b [u8],
    ) -> Result<Option<Step<'b>>, Fault> {
        if header.stream != 0 {
            return Err(self.protocol("RFC 9113 6.5: SETTINGS on a stream"));
        }
        if header.has(frame::ACK) {
            return self.on_settings_ack(now, payload).map(|()| None);
        }
        if !payload.len().is_multiple_of(6) {
            return Err(self.frame_size("RFC 9113 6.5: the length of SETTINGS is no multiple of 6"));
        }
        self.charge(now, SETTINGS_COST)?;
        let mut peer = self.peer;
        if !self.has_settings {
            // What is not announced has no limit (RFC 9113 6.5.2).
            peer.max_streams = u32::MAX;
            self.has_settings = true;
        }
        if let Err(bad) = peer.read(self.role, payload) {
            return Err(self.fail(bad.code, bad.kind, bad.why));
        }
        let has_opened = self.adopt(peer)?;
        self.wire.settings_ack();
        self.answered()?;
        let event = Event::Window { stream: None };
        Ok((has_opened && self.send_window.available() > 0).then_some(Step::Event(event)))
    }

    fn on_settings_ack(&mut self, now: Instant, payload: &[u8]) -> Result<(), Fault> {
        if !payload.is_empty() {
            return Err(self.frame_size("RFC 9113 6.5: SETTINGS with ACK have a payload"));
        }
        if !std::mem::take(&mut self.is_unacknowledged) {
            return self.charge(now, 1);
        }
        // Until now the peer may have counted with the default.
        let size = self.limits.stream_window;
        let shift = i64::from(size) - i64::from(self.receive_window_unacknowledged());
        if shift != 0 {
            for stream in self.streams.iter_mut() {
                stream.receiving.shift(shift);
            }
        }
        Ok(())
    }

    /// What a stream opened now may be sent.
    pub(crate) fn receive_window(&self) -> u32 {
        if self.is_unacknowledged {
            self.receive_window_unacknowledged()
        } else {
            self.limits.stream_window
        }
    }

    fn receive_window_unacknowledged(&self) -> u32 {
        self.limits.stream_window.max(settings::DEFAULT_WINDOW)
    }

    /// Makes the peer's new settings hold (RFC 9113 6.9.2), and says whether a stream may send now
    /// that could not.
    fn adopt(&mut self, peer: Peer) -> Result<bool, Fault> {
        if let Some((least, last)) = peer.table_sizes {
            for size in [least, last] {
                let size = usize::try_from(size).unwrap_or(usize::MAX);
                self.encoder.set_peer_table_size(size);
            }
        }
        let shift = i64::from(peer.initial_window) - i64::from(self.peer.initial_window);
        self.peer = peer;
        if shift == 0 {
            return Ok(false);
        }
        match self.shift_windows(shift) {
            Ok(has_opened) => Ok(has_opened),
            Err(Overflow) => Err(self.fail(
                ErrorCode::FLOW_CONTROL_ERROR,
                FaultKind::FlowControl,
                "RFC 9113 6.9.2: a window is above 2^31-1",
            )),
        }
    }

    fn shift_windows(&mut self, shift: i64) -> Result<bool, Overflow> {
        let mut has_opened = false;
        for stream in self.streams.iter_mut() {
            let opened = stream.send_window.change(shift)?;
            has_opened |= opened && stream.send == Send::Body;
        }
        Ok(has_opened)
    }

    /// RFC 9113 6.7
    pub(super) fn on_ping(
        &mut self,
        now: Instant,
        header: FrameHeader,
        payload: &[u8],
    ) -> Result<(), Fault> {
        if header.stream != 0 {
            return Err(self.protocol("RFC 9113 6.7: PING on a stream"));
        }
        if payload.len() != 8 {
            return Err(self.frame_size("RFC 9113 6.7: the length of PING is not 8"));
        }
        self.charge(now, 1)?;
        if !header.has(frame::ACK) {
            self.wire.ping(frame::ACK, payload);
            return self.answered();
        }
        if payload == DRAIN_PING {
            self.on_drain_ping();
        }
        Ok(())
    }

    /// RFC 9113 6.9
    pub(super) fn on_window_update<'b>(
        &mut self,
        now: Instant,
        header: FrameHeader,
        payload: &'b [u8],
    ) -> Result<Option<Step<'b>>, Fault> {
        let &[b0, b1, b2, b3] = payload else {
            return Err(self.frame_size("RFC 9113 6.9: the length of WINDOW_UPDATE is not 4"));
        };
        if !self.abuse.update(now) {
            return Err(self.flood("RFC 9113 10.5: too many window updates"));
        }
        let increment = u32::from_be_bytes([b0, b1, b2, b3]) & MAX_31;
        let event = if header.stream == 0 {
            self.open_connection_window(increment)?
        } else {
            self.open_stream_window(now, header.stream, increment)?
        };
        Ok(event.map(Step::Event))
    }

    fn open_connection_window(&mut self, increment: u32) -> Result<Option<Event<'static>>, Fault> {
        if increment == 0 {
            return Err(self.protocol("RFC 9113 6.9: a window update of zero"));
        }
        match self.send_window.change(i64::from(increment)) {
            Ok(true) if !self.streams.is_empty() => Ok(Some(Event::Window { stream: None })),
            Ok(_) => Ok(None),
            Err(Overflow) => Err(self.fail(
                ErrorCode::FLOW_CONTROL_ERROR,
                FaultKind::FlowControl,
                "RFC 9113 6.9.1: the connection's window is above 2^31-1",
            )),
        }
    }

    fn open_stream_window(
        &mut self,
        now: Instant,
        id: u32,
        increment: u32,
    ) -> Result<Option<Event<'static>>, Fault> {
        let Some(stream) = self.streams.get_mut(id) else {
            if self.place_of(id) == Place::Idle {
                return Err(self.protocol("RFC 9113 5.1: WINDOW_UPDATE on an idle stream"));
            }
            // It may have been under way when the stream ended.
            return Ok(None);
        };
        let (code, kind, why) = if increment == 0 {
            (
                ErrorCode::PROTOCOL_ERROR,
                FaultKind::Protocol,
                "RFC 9113 6.9: a window update of zero",
            )
        } else {
            match stream.send_window.change(i64::from(increment)) {
                Ok(opened) => {
                    let can_send = opened && stream.send == Send::Body;
                    let event = Event::Window { stream: Some(id) };
                    return Ok((can_send && self.send_window.available() > 0).then_some(event));
                }
                Err(Overflow) => (
                    ErrorCode::FLOW_CONTROL_ERROR,
                    FaultKind::FlowControl,
                    "RFC 9113 6.9.1: a stream's window is above 2^31-1",
                ),
            }
        };
        self.break_stream(now, id, code, Fault { kind, why })
            .map(Some)
    }

    /// RFC 9113 6.4
    pub(super) fn on_reset<'b>(
        &mut self,
        now: Instant,
        header: FrameHeader,
        payload: &'b [u8],
    ) -> Result<Option<Step<'b>>, Fault> {
        let &[c0, c1, c2, c3] = payload else {
            return Err(self.frame_size("RFC 9113 6.4: the length of RST_STREAM is not 4"));
        };
        if header.stream == 0 || self.place_of(header.stream) == Place::Idle {
            return Err(self.protocol("RFC 9113 6.4: RST_STREAM on an idle stream"));
        }
        let code = ErrorCode(u32::from_be_bytes([c0, c1, c2, c3]));
        let Some(stream) = self.streams.remove(header.stream) else {
            // Both sides may reset at once; but not again and again.
            return self.charge(now, 1).map(|()| None);
        };
        self.past.end(header.stream);
        if self.role == Role::Server && !self.abuse.reset(now, stream.opened) {
            return Err(self.flood("RFC 9113 10.5: too many streams given up at once"));
        }
        Ok(Some(Step::Event(Event::Reset {
            stream: header.stream,
            code,
            processed: code != ErrorCode::REFUSED_STREAM,
        })))
    }

    /// RFC 9113 5.3.2: priorities are ignored, frames that break their syntax are not.
    pub(super) fn on_priority<'b>(
        &mut self,
        now: Instant,
        header: FrameHeader,
        payload: &'b [u8],
    ) -> Result<Option<Step<'b>>, Fault> {
        if header.stream == 0 {
            return Err(self.protocol("RFC 9113 6.3: PRIORITY on stream 0"));
        }
        self.charge(now, 1)?;
        let (code, why) = if payload.len() != 5 {
            (
                ErrorCode::FRAME_SIZE_ERROR,
                "RFC 9113 6.3: the length of PRIORITY is not 5",
            )
        } else if is_own_parent(header.stream, payload) {
            (
                ErrorCode::PROTOCOL_ERROR,
                "RFC 7540 5.3.1: a stream depends on itself",
            )
        } else {
            return Ok(None);
        };
        let kind = FaultKind::Protocol;
        match self.place_of(header.stream) {
            // An idle stream cannot be reset (RFC 9113 6.4).
            Place::Idle => Err(self.fail(code, kind, why)),
            Place::Open => {
                let event = self.break_stream(now, header.stream, code, Fault { kind, why })?;
                Ok(Some(Step::Event(event)))
            }
            Place::Dropped | Place::Over => {
                self.break_stream(now, header.stream, code, Fault { kind, why })?;
                Ok(None)
            }
        }
    }
}

/// Whether the stream that a priority names first is the stream itself.
pub(super) fn is_own_parent(stream: u32, priority: &[u8]) -> bool {
    frame::u32_of(priority).is_some_and(|parent| parent & MAX_31 == stream)
}
