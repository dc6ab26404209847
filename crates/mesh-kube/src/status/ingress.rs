//! Where Ingresses are reached: the addresses of the gateway's Service, written back to each.
//!
//! istio: only the one of several pilots that leads writes.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::Method;
use mesh_api::kubernetes::ingress::serves;
use mesh_model::name::{NamespacedName, ResourceKey};
use mesh_runtime::Tasks;
use mesh_source::Snapshot;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::{FIELD_MANAGER, PAUSE, RETRY};
use crate::access::Cluster;
use crate::fault::Fault;
use crate::lease::Leadership;
use crate::server::Server;

/// Writes the addresses of `service` into the Ingresses that the mesh serves, while `leadership` is
/// ours, until `tasks` stop.
pub fn start(
    cluster: &Cluster,
    leadership: Leadership,
    service: NamespacedName,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    tasks: &Tasks,
) {
    let writer = Writer {
        server: cluster.server.clone(),
        leadership,
        service,
        snapshots,
        written: BTreeMap::new(),
    };
    let stopping = tasks.stopping().clone();
    tasks.spawn("kube-ingress-status", async move {
        stopping.run_until_cancelled(writer.run()).await;
    });
}

struct Writer {
    server: Server,
    leadership: Leadership,
    service: NamespacedName,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    /// What was written in this term.
    written: BTreeMap<ResourceKey, Value>,
}

impl Writer {
    async fn run(mut self) {
        loop {
            if !self.leadership.is_ours() {
                // Somebody else may have written since.
                self.written.clear();
                tokio::time::sleep(RETRY).await;
                continue;
            }
            if let Err(fault) = self.pass().await {
                tracing::warn!(error = %fault, "statuses of Ingresses cannot be written");
                tokio::time::sleep(RETRY).await;
                continue;
            }
            let changed = tokio::time::timeout(RETRY, self.snapshots.changed()).await;
            // Without a source there is nothing left to say.
            if matches!(changed, Ok(Err(_))) {
                tokio::time::sleep(RETRY).await;
            }
        }
    }

    async fn pass(&mut self) -> Result<(), Fault> {
        let snapshot = self.snapshots.borrow_and_update().clone();
        let wanted = wanted(&snapshot, &self.service);
        self.written.retain(|key, _| wanted.contains_key(key));
        for (key, addresses) in wanted {
            let before = self.written.get(&key);
            // What never had an address needs no word about it.
            let known = before.unwrap_or(&Value::Null);
            if before == Some(&addresses) || (known.is_null() && addresses == json!([])) {
                continue;
            }
            if !self.leadership.is_ours() {
                return Ok(());
            }
            self.write(key, addresses).await?;
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    async fn write(&mut self, key: ResourceKey, addresses: Value) -> Result<(), Fault> {
        let path = format!(
            "/apis/networking.k8s.io/v1/namespaces/{}/ingresses/{}/status\
             ?fieldManager={FIELD_MANAGER}&force=true",
            key.namespace, key.name
        );
        let body = json!({
            "apiVersion": "networking.k8s.io/v1",
            "kind": "Ingress",
            "metadata": {"name": key.name.as_str(), "namespace": key.namespace.as_str()},
            "status": {"loadBalancer": {"ingress": addresses}},
        });
        let kind = "application/apply-patch+yaml";
        let body = body.to_string().into_bytes();
        match self.server.send(Method::PATCH, &path, kind, body).await {
            // Deleted in the meantime: the source will tell.
            Ok(_) | Err(Fault::Missing) => {}
            Err(Fault::Refused { code, text, .. }) if code < 500 && code != 429 => {
                tracing::warn!(resource = %key, code, error = text, "status was refused");
            }
            Err(fault) => return Err(fault),
        }
        self.written.insert(key, addresses);
        Ok(())
    }
}

/// What each Ingress of ours is to say.
fn wanted(snapshot: &Snapshot, service: &NamespacedName) -> BTreeMap<ResourceKey, Value> {
    let set = &snapshot.resources;
    let ours = set.ingresses.iter();
    let ours = ours.filter(|ingress| serves(&ingress.meta, &ingress.spec, &set.ingress_classes));
    let addresses = addresses(snapshot, service);
    ours.map(|ingress| (ingress.key.clone(), addresses.clone()))
        .collect()
}

/// What a balancer outside gave to the Service, or what its author says of it.
fn addresses(snapshot: &Snapshot, service: &NamespacedName) -> Value {
    let mut states = snapshot.states.iter();
    let state = states.find(|(key, _)| {
        key.kind == "Service"
            && key.group.is_empty()
            && key.namespace == service.namespace
            && key.name == service.name
    });
    let Some((_, state)) = state else {
        return json!([]);
    };
    let value = &state.object.value;
    let of = |pointer| value.pointer(pointer).and_then(Value::as_array);
    let given = of("/status/loadBalancer/ingress").into_iter().flatten();
    let given = given.filter_map(|one| match (one.get("ip"), one.get("hostname")) {
        (Some(ip), _) => Some(json!({ "ip": ip })),
        (None, Some(hostname)) => Some(json!({ "hostname": hostname })),
        (None, None) => None,
    });
    let given: Vec<Value> = given.collect();
    if !given.is_empty() {
        return Value::Array(given);
    }
    let said = of("/spec/externalIPs").into_iter().flatten();
    said.map(|ip| json!({ "ip": ip })).collect()
}

#[cfg(test)]
mod tests;
