//! The rules of a PeerAuthentication (Istio: ValidatePeerAuthentication).

use mesh_model::diag::Diagnostic;
use mesh_model::name::ResourceKey;

use super::{Findings, names};
use crate::security::peer_authentication::PeerAuthentication;

/// Checks a PeerAuthentication by itself.
pub fn check(policy: &PeerAuthentication, key: &ResourceKey, found: &mut Vec<Diagnostic>) {
    let findings = &mut Findings { key, found };
    let selected = policy.selected_labels();
    if let Some(labels) = selected {
        names::check_labels(findings, "spec.selector.matchLabels", labels);
    }
    if selected.is_none() && !policy.port_level_mtls.is_empty() {
        findings.error_with_hint(
            "spec.portLevelMtls",
            "needs a selector: ports belong to workloads",
            "add spec.selector.matchLabels",
        );
    }
}
