//! mesh-pilot: Istio configuration and Kubernetes objects in, one proxy's xDS out.
//!
//! registry, snapshot and translate are pure; push, debug and app bring them to proxies.

pub mod app;
pub mod debug;
pub mod mesh_config;
pub mod push;
pub mod registry;
mod settings;
pub mod snapshot;
mod sources;
#[cfg(test)]
mod testing;
pub mod translate;
pub mod webhook;

pub use settings::Settings;
