//! What an injected pod says of itself: that it takes mutual TLS, how telemetry calls it, and which
//! of its containers kubectl means.

use serde_json::Value;

use super::{Around, Edit};
use crate::problem::Problem;
use crate::settings::Settings;

const TLS_MODE: &str = "security.istio.io/tlsMode";
const CANONICAL_NAME: &str = "service.istio.io/canonical-name";
const CANONICAL_REVISION: &str = "service.istio.io/canonical-revision";
const DEFAULT_CONTAINER: [&str; 2] = [
    "kubectl.kubernetes.io/default-container",
    "kubectl.kubernetes.io/default-logs-container",
];
/// The most that Kubernetes takes as a label's value.
const LONGEST: usize = 63;

/// Adds the labels that are not there.
pub(super) fn add(edit: &mut Edit<'_>, around: Around<'_>) -> Result<(), Problem> {
    let first = |names: &[&str]| {
        let labels = edit.pod.pointer("/metadata/labels")?;
        let values = names.iter().filter_map(|name| labels.get(name)?.as_str());
        values.map(str::to_owned).next()
    };
    let name = first(&["app.kubernetes.io/name", "app"]);
    let revision = first(&["app.kubernetes.io/version", "version"]);
    let name = name.unwrap_or_else(|| as_label(around.workload));
    edit.label(TLS_MODE, "istio".to_owned())?;
    edit.label(CANONICAL_NAME, name)?;
    edit.label(
        CANONICAL_REVISION,
        revision.unwrap_or_else(|| "latest".to_owned()),
    )
}

/// Adds the annotations that every injected pod has.
pub(super) fn annotate(edit: &mut Edit<'_>, settings: &Settings) -> Result<(), Problem> {
    let first = edit.pod.pointer("/spec/containers/0/name");
    let first = first.and_then(Value::as_str).unwrap_or_default().to_owned();
    let wanted = DEFAULT_CONTAINER.map(|name| (name, first.as_str()));
    for (name, value) in wanted
        .into_iter()
        .chain([("istio.io/rev", &*settings.revision)])
    {
        let annotations = edit.pod.pointer("/metadata/annotations");
        if annotations.is_none_or(|all| all.get(name).is_none()) {
            edit.annotate(name, value)?;
        }
    }
    Ok(())
}

/// The beginning of a name that is a label's value.
fn as_label(name: &str) -> String {
    let usable = |c: &char| c.is_ascii_alphanumeric() || ['-', '_', '.'].contains(c);
    let short: String = name.chars().filter(usable).take(LONGEST).collect();
    let ends = |c: char| !c.is_ascii_alphanumeric();
    short.trim_matches(ends).to_owned()
}
