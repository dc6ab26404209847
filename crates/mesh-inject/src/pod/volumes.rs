//! What the sidecar proves its identity with, a token for citadel alone and the mesh's root, and where it keeps what it was
//! told for its next start.
//!
//! departs from istio 1.1: no `fsGroup`. The kubelet makes the token readable to containers of
//! several users without it, and with it would change the owner of all the user's volumes.

use serde_json::{Value, json};

use super::Edit;
use crate::annotations::Wanted;
use crate::problem::Problem;

/// Istio's audience of the token, which is good for nothing else.
const AUDIENCE: &str = "istio-ca";
/// How long a token is good; the kubelet renews it in time.
const TOKEN_SECONDS: u32 = 43_200;
/// Volume of the token.
pub(super) const TOKEN: &str = "istio-token";
/// Volume and ConfigMap of the mesh's roots.
pub(super) const ROOT: &str = "istio-ca-root-cert";
/// Volume of what the sidecar keeps while the pod lives.
pub(super) const DATA: &str = "istio-data";
const DATA_FOLDER: &str = "/var/lib/istio/data";
const TOKEN_FOLDER: &str = "/var/run/secrets/tokens";
const ROOT_FOLDER: &str = "/var/run/secrets/istio";
/// Where the sidecar reads the token.
pub(super) const TOKEN_FILE: &str = "/var/run/secrets/tokens/istio-token";
/// Where it reads the mesh's roots.
pub(super) const ROOT_FILE: &str = "/var/run/secrets/istio/root-cert.pem";

/// Where it keeps the last good configuration: a folder in that volume, which is its own.
pub(super) const CONFIG_CACHE: &str = "/var/lib/istio/data/config";

/// The sidecar's mounts.
pub(super) fn mounts(wanted: &Wanted) -> Vec<Value> {
    let own = [
        json!({"name": TOKEN, "mountPath": TOKEN_FOLDER, "readOnly": true}),
        json!({"name": ROOT, "mountPath": ROOT_FOLDER, "readOnly": true}),
        json!({"name": DATA, "mountPath": DATA_FOLDER}),
    ];
    own.into_iter()
        .chain(wanted.mounts.iter().cloned())
        .collect()
}

/// Adds the volumes and the secrets with which images are pulled.
pub(super) fn add(edit: &mut Edit<'_>, wanted: &Wanted) -> Result<(), Problem> {
    let token = json!({"serviceAccountToken": {
        "audience": AUDIENCE,
        "expirationSeconds": TOKEN_SECONDS,
        "path": "istio-token",
    }});
    let own = [
        json!({"name": TOKEN, "projected": {"sources": [token]}}),
        json!({"name": ROOT, "configMap": {"name": ROOT}}),
        json!({"name": DATA, "emptyDir": {}}),
    ];
    let volumes: Vec<Value> = own
        .into_iter()
        .chain(wanted.volumes.iter().cloned())
        .collect();
    let names = volumes
        .iter()
        .filter_map(|volume| volume.get("name")?.as_str());
    edit.record.volumes = names.map(str::to_owned).collect();
    edit.list("/spec/volumes")?.extend(volumes);
    for name in &wanted.settings.image_pull_secrets {
        let secret = json!({ "name": name });
        let there = edit.pod.pointer("/spec/imagePullSecrets");
        let there = there.and_then(Value::as_array);
        if !there.is_some_and(|secrets| secrets.contains(&secret)) {
            edit.record.image_pull_secrets.push(name.clone());
            edit.list("/spec/imagePullSecrets")?.push(secret);
        }
    }
    Ok(())
}
