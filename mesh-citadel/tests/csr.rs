//! Citadel's process code on loopback, asked by the agent and by clients of other make.
//!
//! Needs `openssl` on PATH as an independent judge; a machine without it fails these tests.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests report by panicking"
)]

mod csr {
    pub(crate) mod agent;
    pub(crate) mod cluster;
    pub(crate) mod house;
    pub(crate) mod judge;
    pub(crate) mod requests;
    pub(crate) mod tokens;
}
