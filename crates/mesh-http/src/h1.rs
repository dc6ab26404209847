//! HTTP/1.0 and HTTP/1.1 without I/O (RFC 9112): a server's and a client's side of a connection.
//!
//! One exchange at a time: a server reads the next request when the present one is answered, a
//! client begins a request when the connection is idle. What could be read in two ways is refused,
//! in requests and in responses alike; `transfer-encoding`, `connection` and `host` are the codec's
//! own to write.
//!
//! A request for an upgrade, or CONNECT, holds back all bytes after it until it is answered. With
//! 101, or with a 2xx to CONNECT, the connection becomes a tunnel: `Data` events and `send_data`
//! then carry its bytes both ways on the same stream, `end` closes one direction.

mod body;
mod client;
mod limits;
mod meaning;
mod parse;
mod request;
mod response;
mod sending;
mod server;
pub(crate) mod target;
mod write;

pub use client::Client;
pub use limits::Limits;
pub use server::Server;

use crate::{Fault, FaultKind};

/// A broken rule of syntax.
const fn malformed(why: &'static str) -> Fault {
    let kind = FaultKind::Malformed;
    Fault { kind, why }
}

/// A message whose end cannot be told, or not by everybody in the same way.
const fn framing(why: &'static str) -> Fault {
    let kind = FaultKind::Framing;
    Fault { kind, why }
}

/// The peer closed in the middle of something.
const fn cut_off(why: &'static str) -> Fault {
    let kind = FaultKind::CutOff;
    Fault { kind, why }
}

#[cfg(test)]
mod tests;
