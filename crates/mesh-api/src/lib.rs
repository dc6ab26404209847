//! What users write: Istio's and Kubernetes' resources, their decoding, validation and printing.
//!
//! Pure: text and values in, types and diagnostics out. Files are read by mesh-source, and what the
//! resources mean to a proxy is decided by mesh-pilot.

pub mod codes;
pub mod crd;
pub mod decode;
pub mod emit;
pub mod kinds;
pub mod kubernetes;
pub mod meta;
pub mod networking;
pub mod resources;
mod schema;
pub mod security;
pub mod timestamp;
pub mod to_model;
pub mod validate;
mod wire;

pub use meta::{Object, ObjectMeta};
pub use resources::{Resource, ResourceSet};
pub use schema::described;
pub use schema::spelling::nearest;
