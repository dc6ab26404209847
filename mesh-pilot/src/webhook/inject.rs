//! Pods that are about to be created.

use mesh_inject::{Outcome, Settings, admit};
use mesh_model::diag::{Diagnostic, Severity};

use super::review::{Request, Verdict};

/// What becomes of a pod; what is no pod, or not created now, passes as it is.
///
/// Which namespaces are asked about at all is in the webhook's selectors, so that a pod never
/// depends on whether pilot has seen a label yet.
pub(super) fn judge(request: &Request, settings: &Settings) -> Verdict {
    if request.kind.kind != "Pod" || request.operation != "CREATE" {
        return Verdict::default();
    }
    let admitted = admit(&request.object, settings, &request.namespace, None);
    let of = |severity: Severity| {
        let findings = admitted.findings.iter();
        findings
            .filter(move |finding| finding.severity == severity)
            .map(Diagnostic::to_string)
    };
    if admitted.outcome == Outcome::Refused {
        let errors: Vec<String> = of(Severity::Error).collect();
        let message = format!("the pod cannot get a sidecar: {}", errors.join("; "));
        return Verdict::refused("invalid_pod", message);
    }
    Verdict {
        refused: None,
        warnings: of(Severity::Warning).collect(),
        patch: admitted.patch,
    }
}

#[cfg(test)]
mod tests;
