//! Test support: certificates, clocks, origins, clients, and the one place that waits.
//!
//! A dev-dependency only, and knows no product. Helpers panic with what they saw: they run in
//! tests, where that is the report.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests report by panicking"
)]

pub mod api_server;
pub mod client;
pub mod clock;
pub mod eventually;
pub mod origin;
pub mod pki;
pub mod tls;

pub use eventually::{eventually, eventually_async};
