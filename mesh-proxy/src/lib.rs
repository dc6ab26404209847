//! The data plane: sidecar and gateway proxy.
//!
//! It learns of the world by xDS alone and proves itself with a certificate from the CA. Worker
//! threads carry requests; everything else runs beside them. `app.rs` lists what runs.

pub mod admin;
mod app;
pub mod bootstrap;
pub mod capture;
pub mod config;
pub mod conn;
pub mod health;
pub mod http;
pub mod identity;
pub mod record;
pub mod settings;
pub mod telemetry;
#[cfg(test)]
mod testing;
pub mod upstream;
pub mod worker;

pub use app::{Deps, run, validate};
pub use settings::Settings;
