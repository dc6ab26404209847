//! Conformance: peers that are not ours, in front of the sidecars and behind them.
//!
//! Each module is a suite of its own in crates/xtask/src/suites.rs, with what it needs.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test that cannot go on says why by panicking"
)]

mod apps;
mod clients;
mod curl;
mod data_plane;
mod exchanges;
mod grpc;
mod h2spec;
mod python;
mod routing;
mod servers;
mod websocket;
mod world;
