//! The sandbox of the journeys: a whole mesh of real processes, started as a user starts it.
//!
//! A journey drives `meshctl` and sockets only. What it needs to know of the inside (a state folder,
//! an admin page) is a documented contract.

#![expect(
    clippy::expect_used,
    reason = "a sandbox that cannot be set up fails its test, and says with what"
)]

pub mod caller;
pub mod cluster;
mod listeners;
pub mod machine;
pub mod mesh;
pub mod metrics;
pub mod nobody;
pub mod page;
pub mod pattern;
pub mod processes;
pub mod status;
pub mod tls_origin;
pub mod tools;
pub mod trend;
pub mod websocket;

pub use caller::{Caller, fetch};
pub use machine::Machine;
pub use mesh::{Mesh, Setup};
pub use metrics::Metrics;
pub use nobody::Nobody;
pub use page::{Stars, stars};
pub use status::{Component, Status, Workload};
pub use tls_origin::TlsOrigin;
