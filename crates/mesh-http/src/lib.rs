//! HTTP messages without I/O: heads in flat storage, and the rules of RFC 9110 about them.
//!
//! Knows no sockets, no clock and no policy. The stages of the proxy, route matching and header
//! operations all work on these types, whatever codec filled them.

mod codec;
mod fields;
pub mod h1;
pub mod h2;
mod head;
pub mod path;

pub use codec::{
    BodyLength, CannotSend, ErrorCode, Event, Fault, FaultKind, Output, StreamId, make_room,
};
pub use fields::{BadField, Fields, Known, Name, Names};
pub use head::{RequestHead, ResponseHead, Scheme, Version, host_of};
