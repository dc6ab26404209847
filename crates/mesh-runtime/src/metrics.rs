//! Metrics: one registry per process, printed in Prometheus' text format.

use prometheus::{Encoder, Registry, TextEncoder};

/// The content type of [`text`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Upper bounds of the buckets of every histogram, for milliseconds and bytes alike. Proxies count by
/// them and the hub adds up what they send, so there is one list.
// istio: Envoy's default buckets, which Istio's dashboards expect.
pub const BOUNDS: [f64; 19] = [
    0.5,
    1.0,
    5.0,
    10.0,
    25.0,
    50.0,
    100.0,
    250.0,
    500.0,
    1000.0,
    2500.0,
    5000.0,
    10000.0,
    30000.0,
    60000.0,
    300_000.0,
    600_000.0,
    1_800_000.0,
    3_600_000.0,
];

/// Prints every metric of the registry.
#[must_use]
pub fn text(registry: &Registry) -> String {
    let mut out = Vec::new();
    if let Err(error) = TextEncoder::new().encode(&registry.gather(), &mut out) {
        tracing::error!(%error, "metrics could not be printed");
    }
    String::from_utf8(out).unwrap_or_default()
}
