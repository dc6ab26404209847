//! The data plane: sidecar and gateway proxy.
//!
//! It learns of the world by xDS alone and proves itself with a certificate from the CA. Worker
//! threads carry requests; everything else runs beside them. `app.rs` lists what runs.

pub mod http;
