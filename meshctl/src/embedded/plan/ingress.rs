//! The ingress gateway's names, as Istio's gateways expect them.

use mesh_model::labels::Labels;

use super::INGRESS;

/// Its service account.
pub(crate) const ACCOUNT: &str = "istio-ingressgateway-service-account";

/// The labels by which Istio's Gateway objects select it.
pub(crate) fn labels() -> Labels {
    [("app", INGRESS), ("istio", "ingressgateway")]
        .into_iter()
        .collect()
}

/// The name of its pod.
pub(crate) fn pod() -> String {
    format!("{INGRESS}-0")
}
