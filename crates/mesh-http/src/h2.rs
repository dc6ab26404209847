//! HTTP/2 (RFC 9113) as a state machine without I/O, for both roles.
//!
//! One core (`connection`) knows frames, streams, windows and floods; [`Server`] and [`Client`]
//! add what a request or a response is. Priorities are ignored (RFC 9113 5.3.2), pushes are refused
//! (8.4), and there is no upgrade from HTTP/1.1.
//!
//! Whoever drives a codec releases every byte of every `Data` event exactly once, whatever became
//! of its stream: the windows of the connection are made of these bytes.

mod abuse;
mod client;
mod common;
mod connection;
mod flow;
mod frame;
mod heads;
mod hpack;
mod limits;
mod past;
mod server;
mod settings;
mod stream;
mod wire;

pub use client::Client;
pub use limits::Limits;
pub use server::Server;

#[cfg(test)]
mod tests;
