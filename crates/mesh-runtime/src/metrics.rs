//! Metrics: one registry per process, printed in Prometheus' text format.

use prometheus::{Encoder, Registry, TextEncoder};

/// The content type of [`text`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Prints every metric of the registry.
#[must_use]
pub fn text(registry: &Registry) -> String {
    let mut out = Vec::new();
    if let Err(error) = TextEncoder::new().encode(&registry.gather(), &mut out) {
        tracing::error!(%error, "metrics could not be printed");
    }
    String::from_utf8(out).unwrap_or_default()
}
