//! Hostile input: for each rule its accepted form and its near misses, judged by what a strict back
//! end receives behind real proxies; the same bytes at proxies that are not ours; and clients that
//! want to use up memory and connections.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "helpers of tests, which fail with what was expected"
)]

mod backend;
mod case;
mod client;
mod corpus;
mod differential;
mod document;
mod judge;
mod judged;
mod pressure;
mod sandbox;
mod wire;
