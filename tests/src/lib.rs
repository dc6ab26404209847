//! The sandbox of the journeys: a whole mesh of real processes, started as a user starts it.
//!
//! A journey drives `meshctl` and sockets only. What it needs to know of the inside (a state folder,
//! an admin page) is a documented contract.

#![expect(
    clippy::expect_used,
    reason = "a sandbox that cannot be set up fails its test, and says with what"
)]

pub mod mesh;
pub mod page;
pub mod status;

pub use mesh::{Mesh, Setup};
pub use page::{Stars, stars};
pub use status::{Component, Status, Workload};
