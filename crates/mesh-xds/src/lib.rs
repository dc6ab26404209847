//! xDS transport: aggregated discovery in both variants, delta and state of the world, as server and as client.
//!
//! Knows type URLs, versions and nonces, and nothing of what a resource means or who may have it.
//! The protocol itself is two pure state machines, [`server::Machine`] and [`client::Machine`];
//! what is round them moves messages.

pub mod client;
mod kind;
mod resources;
pub mod server;

pub use kind::Kind;
pub use mesh_proto::envoy::envoy::config::core::v3::Node;
pub use resources::{Resource, Resources};
