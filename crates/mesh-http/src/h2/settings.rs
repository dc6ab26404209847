//! SETTINGS (RFC 9113 6.5): what we announce, and what the peer's values may be.

use super::connection::Role;
use super::frame::{self, Kind, MAX_31};
use super::limits::Limits;
use crate::{ErrorCode, FaultKind};

const HEADER_TABLE_SIZE: u16 = 0x1;
const ENABLE_PUSH: u16 = 0x2;
const MAX_CONCURRENT_STREAMS: u16 = 0x3;
const INITIAL_WINDOW_SIZE: u16 = 0x4;
const MAX_FRAME_SIZE: u16 = 0x5;
const MAX_HEADER_LIST_SIZE: u16 = 0x6;

/// The window of a stream, and of the connection, until something else is said (RFC 9113 6.9.2).
pub(crate) const DEFAULT_WINDOW: u32 = 65_535;
/// How many streams a client opens before it knows what the server takes.
const STREAMS_ASSUMED: u32 = 100;
/// The longest payload we write, whatever the peer would take: beyond it nothing is gained.
const LONGEST_WRITTEN: u32 = 65_536;

/// What the peer takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) initial_window: u32,
    /// Payload of the frames we write.
    pub(crate) frame_size: u32,
    pub(crate) max_streams: u32,
    /// The smallest and the last bound of the encoder's table that the last frame gave, if any
    /// (RFC 7541 4.2 wants to hear of both).
    pub(crate) table_sizes: Option<(u32, u32)>,
}

impl Default for Peer {
    fn default() -> Self {
        Self {
            initial_window: DEFAULT_WINDOW,
            frame_size: frame::MAX_PAYLOAD,
            max_streams: STREAMS_ASSUMED,
            table_sizes: None,
        }
    }
}

/// A value that no peer may announce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BadSetting {
    pub(crate) code: ErrorCode,
    pub(crate) kind: FaultKind,
    pub(crate) why: &'static str,
}

impl Peer {
    /// Takes over the values of one frame, in order; unknown ones are ignored (RFC 9113 6.5.2).
    pub(crate) fn read(&mut self, role: Role, payload: &[u8]) -> Result<(), BadSetting> {
        self.table_sizes = None;
        let (entries, _) = payload.as_chunks::<6>();
        for &[i0, i1, v0, v1, v2, v3] in entries {
            let value = u32::from_be_bytes([v0, v1, v2, v3]);
            self.read_one(role, u16::from_be_bytes([i0, i1]), value)?;
        }
        Ok(())
    }

    fn read_one(&mut self, role: Role, id: u16, value: u32) -> Result<(), BadSetting> {
        match id {
            HEADER_TABLE_SIZE => {
                let smallest = self
                    .table_sizes
                    .map_or(value, |(least, _)| least.min(value));
                self.table_sizes = Some((smallest, value));
            }
            ENABLE_PUSH => check_push(role, value)?,
            MAX_CONCURRENT_STREAMS => self.max_streams = value,
            INITIAL_WINDOW_SIZE if value > MAX_31 => {
                return Err(BadSetting {
                    code: ErrorCode::FLOW_CONTROL_ERROR,
                    kind: FaultKind::FlowControl,
                    why: "RFC 9113 6.5.2: the initial window is above 2^31-1",
                });
            }
            INITIAL_WINDOW_SIZE => self.initial_window = value,
            MAX_FRAME_SIZE if !(16_384..=16_777_215).contains(&value) => {
                return Err(protocol(
                    "RFC 9113 6.5.2: the maximum frame size is out of range",
                ));
            }
            MAX_FRAME_SIZE => self.frame_size = value.min(LONGEST_WRITTEN),
            _ => {}
        }
        Ok(())
    }
}

fn check_push(role: Role, value: u32) -> Result<(), BadSetting> {
    match (role, value) {
        (_, 0) | (Role::Server, 1) => Ok(()),
        (Role::Client, 1) => Err(protocol("RFC 9113 6.5.2: a server enables push")),
        _ => Err(protocol("RFC 9113 6.5.2: enable_push is neither 0 nor 1")),
    }
}

fn protocol(why: &'static str) -> BadSetting {
    BadSetting {
        code: ErrorCode::PROTOCOL_ERROR,
        kind: FaultKind::Protocol,
        why,
    }
}

/// Writes our own settings.
pub(crate) fn announce(out: &mut Vec<u8>, role: Role, limits: &Limits) {
    let of_role = match role {
        Role::Server => (MAX_CONCURRENT_STREAMS, limits.max_streams),
        Role::Client => (ENABLE_PUSH, 0),
    };
    let head_bytes = u32::try_from(limits.head_bytes).unwrap_or(u32::MAX);
    let values = [
        of_role,
        (INITIAL_WINDOW_SIZE, limits.stream_window.min(MAX_31)),
        (MAX_HEADER_LIST_SIZE, head_bytes),
    ];
    let mut payload = [0_u8; 18];
    let (entries, _) = payload.as_chunks_mut::<6>();
    for (entry, (id, value)) in entries.iter_mut().zip(values) {
        let [i0, i1] = u16::to_be_bytes(id);
        let [v0, v1, v2, v3] = u32::to_be_bytes(value);
        *entry = [i0, i1, v0, v1, v2, v3];
    }
    frame::put(out, Kind::Settings, 0, 0, &payload);
}

#[cfg(test)]
mod tests;
