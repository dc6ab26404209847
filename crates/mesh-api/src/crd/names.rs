//! What `kubectl` calls the objects of a kind, and which columns it prints.

use serde_json::{Value, json};

use crate::kinds::{Kind, MIXER_GROUP};

/// What `kubectl get` finds them by, beside their name: `istio-io`, and a name for the group.
pub(super) fn categories(kind: &Kind) -> [String; 2] {
    // istio: the kinds of its API management are the upper-case ones of Mixer's group.
    let apim = kind
        .kind
        .starts_with(|first: char| first.is_ascii_uppercase());
    let group = match (kind.group, apim) {
        (MIXER_GROUP, true) => "apim-istio-io".to_owned(),
        (MIXER_GROUP, false) => "policy-istio-io".to_owned(),
        (group, _) => group.replace('.', "-"),
    };
    ["istio-io".to_owned(), group]
}

/// The columns that `kubectl get` prints after the name.
pub(super) fn columns(kind: &Kind) -> Vec<Value> {
    let columns = match kind.kind {
        "VirtualService" => &[
            ("Gateways", ".spec.gateways", "Gateways that apply it"),
            ("Hosts", ".spec.hosts", "Hosts that clients address"),
        ][..],
        "DestinationRule" => &[("Host", ".spec.host", "Service that it is for")],
        "ServiceEntry" => &[
            ("Hosts", ".spec.hosts", "Names of the service"),
            ("Location", ".spec.location", "Within the mesh or outside"),
            ("Resolution", ".spec.resolution", "How endpoints are found"),
        ],
        "WorkloadEntry" => &[("Address", ".spec.address", "Address of the workload")],
        "AuthorizationPolicy" => &[("Action", ".spec.action", "What becomes of a match")],
        "PeerAuthentication" => &[("Mode", ".spec.mtls.mode", "What is accepted")],
        "ServiceRoleBinding" => &[("Reference", ".spec.roleRef.name", "The role")],
        "logentry" => &[
            ("Severity", ".spec.severity", "How important the entry is"),
            ("Timestamp", ".spec.timestamp", "Time of the entry"),
            (
                "Res Type",
                ".spec.monitored_resource_type",
                "What is watched",
            ),
        ],
        _ => &[],
    };
    let columns = columns.iter().map(|(name, path, what)| {
        json!({"name": name, "type": "string", "jsonPath": path, "description": what})
    });
    let age = json!({
        "name": "Age",
        "type": "date",
        "jsonPath": ".metadata.creationTimestamp",
    });
    columns.chain([age]).collect()
}
