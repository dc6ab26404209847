//! `mesh-proxy capture` in network namespaces of the test: whose connection arrives where.
//!
//! A pod and what is outside it are two namespaces, joined by a veth pair. Listeners answer with
//! their name and with the destination that the connection had before it was redirected, so that a
//! call's answer is the proof. `sidecars.rs` has two pods with real sidecars and a control plane.
//! Needs root, and the netfilter of this kernel with its programs.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    reason = "helpers of tests report by panicking"
)]

mod application;
mod exclusions;
mod lifecycle;
mod listener;
mod local;
mod mesh;
mod ports;
mod redirects;
mod refusals;
mod sidecars;
mod space;
mod world;
