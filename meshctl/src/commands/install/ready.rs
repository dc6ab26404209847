//! Until what was applied is ready.

use std::collections::BTreeMap;
use std::time::Duration;

use mesh_kube::Cluster;
use serde_json::Value;

use super::called;
use crate::chart::resource;
use crate::error::CommandError;
use crate::plane::kube::text;
use crate::ui::Ui;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(500);

/// Waits for definitions and Deployments; tells what it waits for, as it changes.
///
/// # Errors
/// When they are not ready in time.
pub(super) async fn wait(
    cluster: &Cluster,
    objects: &[Value],
    patience: Duration,
    ui: &Ui,
) -> Result<(), CommandError> {
    let mut told = BTreeMap::new();
    let waited = tokio::time::timeout(patience, until_ready(cluster, objects, &mut told, ui)).await;
    if waited.is_ok() {
        return Ok(());
    }
    let lines: Vec<String> = told
        .iter()
        .map(|(name, why)| format!("{name}: {why}"))
        .collect();
    let error = format!("not ready after {patience:?}:\n{}", lines.join("\n"));
    Err(CommandError::problem(error)
        .hint("meshctl check; kubectl describe says what a Deployment waits for"))
}

async fn until_ready(
    cluster: &Cluster,
    objects: &[Value],
    told: &mut BTreeMap<String, String>,
    ui: &Ui,
) {
    let mut left: Vec<&Value> = objects.iter().filter(|one| matters(one)).collect();
    loop {
        let mut waiting = Vec::new();
        for object in left {
            let Some(why) = missing(cluster, object).await else {
                told.remove(&called(object));
                continue;
            };
            if told.get(&called(object)) != Some(&why) {
                ui.note(&format!("  {}: {why}", called(object)));
                told.insert(called(object), why);
            }
            waiting.push(object);
        }
        if waiting.is_empty() {
            return;
        }
        left = waiting;
        tokio::time::sleep(PAUSE).await;
    }
}

fn matters(object: &Value) -> bool {
    matches!(
        text(object, "/kind"),
        "CustomResourceDefinition" | "Deployment"
    )
}

/// What an object lacks to be ready.
async fn missing(cluster: &Cluster, object: &Value) -> Option<String> {
    let (_, resource) = resource(object)?;
    let (namespace, name) = (
        text(object, "/metadata/namespace"),
        text(object, "/metadata/name"),
    );
    match cluster.get(&resource.path(namespace, name)).await {
        Ok(found) if resource.kind == "Deployment" => lacks(&found),
        Ok(found) => {
            let conditions = found
                .pointer("/status/conditions")
                .and_then(Value::as_array);
            let mut conditions = conditions.into_iter().flatten();
            let established = conditions
                .any(|one| text(one, "/type") == "Established" && text(one, "/status") == "True");
            (!established).then(|| "not established yet".to_owned())
        }
        Err(error) => Some(error.to_string()),
    }
}

/// What a Deployment lacks: as `kubectl rollout status` counts.
pub(super) fn lacks(deployment: &Value) -> Option<String> {
    let number = |at: &str| deployment.pointer(at).and_then(Value::as_u64).unwrap_or(0);
    let wanted = number("/spec/replicas");
    if number("/status/observedGeneration") < number("/metadata/generation") {
        return Some("not seen by its controller yet".to_owned());
    }
    let updated = number("/status/updatedReplicas");
    if updated < wanted {
        return Some(format!("{updated} of {wanted} pods are new"));
    }
    let all = number("/status/replicas");
    if all > updated {
        return Some(format!("{} old pods are going", all - updated));
    }
    let available = number("/status/availableReplicas");
    (available < wanted).then(|| format!("{available} of {wanted} pods are ready"))
}

#[cfg(test)]
mod tests;
