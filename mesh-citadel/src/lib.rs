//! The certificate authority of the mesh.
//!
//! A workload proves who it is, sends a request over a key of its own, and gets a leaf with exactly
//! that identity. What a request asks for beyond its public key is never copied.
//!
//! `authenticate` says who calls, `authorize` what the caller may have, `issue` makes the
//! certificate (pure), `signer` keeps the key, `serve` speaks gRPC.

pub mod app;
pub mod authenticate;
pub mod authority;
pub mod authorize;
mod events;
mod health;
pub mod issue;
mod metrics;
pub mod own;
mod publish;
pub mod serve;
pub mod settings;
pub mod signer;

pub use app::{Deps, RunError, run};
pub use settings::Settings;
