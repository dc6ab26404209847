//! Protocol types: Envoy's xDS v3, Istio's certificate service, the telemetry of mesh.
//!
//! Data and stubs; by hand are [`any`], which knows type URLs, and [`json`], which writes messages as
//! protobuf's JSON.

pub mod any;
pub mod json;

/// Envoy's API, xDS v3 (generated elsewhere, by the crate `envoy-types`).
pub use envoy_types::pb as envoy;
pub use envoy_types::pb::google::protobuf::Any;

/// `istio.v1.auth`: the certificate service.
#[allow(
    missing_docs,
    clippy::all,
    unreachable_pub,
    unused_qualifications,
    reason = "generated"
)]
pub mod istio_ca {
    tonic::include_proto!("istio.v1.auth");
}

/// `mesh.telemetry.v1`: what proxies report to the hub.
#[allow(
    missing_docs,
    clippy::all,
    unreachable_pub,
    unused_qualifications,
    reason = "generated"
)]
pub mod telemetry {
    tonic::include_proto!("mesh.telemetry.v1");
}
