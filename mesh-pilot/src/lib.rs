//! mesh-pilot: Istio configuration and Kubernetes objects in, one proxy's xDS out.
//!
//! registry, snapshot and translate are pure.

pub mod registry;
pub mod snapshot;
pub mod translate;
