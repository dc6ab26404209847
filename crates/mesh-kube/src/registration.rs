//! Keeps what the API server knows of our webhooks in step: by which roots it knows them, and
//! whether it must refuse what they do not answer for.
//!
//! The configurations themselves are the chart's. One whose validation starts at `Ignore` is turned
//! to `Fail` once the API server was seen to reach us: an object that is wrong, and that is not kept
//! in any case, must come back refused.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::access::Cluster;
use crate::fault::Fault;
use crate::server::Server;
use crate::status::FIELD_MANAGER;

/// How often the roots are compared with those that were told; it costs no request.
const LOOK: Duration = Duration::from_secs(1);
/// How often the configurations are read, in case somebody has edited them.
const CHECK: u32 = 30;
/// How soon after a failure, or while the API server was not seen to reach us.
const AGAIN: u32 = 5;

const GROUP: &str = "/apis/admissionregistration.k8s.io/v1";
const JSON_PATCH: &str = "application/json-patch+json";

/// The configurations that the chart made for us; names of none are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Registration {
    /// MutatingWebhookConfigurations.
    pub mutating: Vec<String>,
    /// ValidatingWebhookConfigurations.
    pub validating: Vec<String>,
    /// The namespace in which an object is tried, without being kept.
    pub namespace: String,
}

/// Keeps them in step for as long as it runs; `roots` are the present ones, as PEM.
pub async fn keep(cluster: Cluster, registration: Registration, roots: impl Fn() -> String) {
    let mut keeper = Keeper {
        server: cluster.server,
        registration,
        said: None,
    };
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut told = String::new();
    let mut until_check = 0;
    loop {
        looks.tick().await;
        until_check = u32::saturating_sub(until_check, 1);
        let now = roots();
        if now != told || until_check == 0 {
            let done = keeper.check(&now).await;
            until_check = if done { CHECK } else { AGAIN };
            told = now;
        }
    }
}

struct Keeper {
    server: Server,
    registration: Registration,
    /// The last failure, which is not said twice.
    said: Option<Fault>,
}

impl Keeper {
    /// Compares all; whether nothing is left to be done soon.
    async fn check(&mut self, roots: &str) -> bool {
        match self.all(roots).await {
            Ok(done) => {
                if self.said.take().is_some() {
                    tracing::info!("the configurations of webhooks are in step again");
                }
                done
            }
            Err(fault) => {
                if self.said.as_ref() != Some(&fault) {
                    tracing::warn!(
                        error = ?fault,
                        "the configurations of webhooks are not in step; a ClusterRole must allow \
                         get and patch of {} and {}, and to create gateways in {}",
                        self.registration.mutating.join(", "),
                        self.registration.validating.join(", "),
                        self.registration.namespace
                    );
                }
                self.said = Some(fault);
                false
            }
        }
    }

    async fn all(&self, roots: &str) -> Result<bool, Fault> {
        for name in &self.registration.mutating {
            let path = format!("{GROUP}/mutatingwebhookconfigurations/{name}");
            self.patch(&path, |config| bundles(config, roots)).await?;
        }
        let mut done = true;
        for name in &self.registration.validating {
            let path = format!("{GROUP}/validatingwebhookconfigurations/{name}");
            let config = self.patch(&path, |config| bundles(config, roots)).await?;
            if lenient(&config).next().is_none() {
                continue;
            }
            if self.is_reached().await? {
                self.patch(&path, strict).await?;
                tracing::info!(
                    configuration = name,
                    "the API server reaches the webhook; what it does not answer for is refused"
                );
            } else {
                done = false;
            }
        }
        Ok(done)
    }

    /// Changes an object as its present content asks, and returns it.
    async fn patch(
        &self,
        path: &str,
        wanted: impl Fn(&Value) -> Vec<Value>,
    ) -> Result<Value, Fault> {
        let config = read(&self.server.read(path).await?)?;
        let steps = wanted(&config);
        if steps.is_empty() {
            return Ok(config);
        }
        let body = Value::from(steps).to_string().into_bytes();
        // Without a name of ours what installs by server-side apply conflicts with "unknown".
        let path = format!("{path}?fieldManager={FIELD_MANAGER}");
        let sent = self.server.send(Method::PATCH, &path, JSON_PATCH, body);
        read(&sent.await?)
    }

    /// Whether an object that is wrong comes back refused by a webhook.
    async fn is_reached(&self) -> Result<bool, Fault> {
        let namespace = &self.registration.namespace;
        let path =
            format!("/apis/networking.istio.io/v1/namespaces/{namespace}/gateways?dryRun=All");
        let wrong = json!({
            "apiVersion": "networking.istio.io/v1",
            "kind": "Gateway",
            "metadata": {"name": "mesh-webhook-probe", "namespace": namespace},
            "spec": {"selector": {"mesh": "probe"}, "servers": [{
                "port": {"number": 80, "name": "http", "protocol": "NO-SUCH-PROTOCOL"},
                "hosts": ["probe.invalid"],
            }]},
        });
        let body = wrong.to_string().into_bytes();
        let tried = self
            .server
            .send(Method::POST, &path, "application/json", body);
        match tried.await {
            Ok(_) => Ok(false),
            Err(fault) => was_denied(fault),
        }
    }
}

fn read(text: &[u8]) -> Result<Value, Fault> {
    serde_json::from_slice(text).map_err(|error| Fault::unreadable(&error))
}

/// Whether an answer says that a webhook has refused; any other failure is one of its own.
fn was_denied(fault: Fault) -> Result<bool, Fault> {
    match fault {
        Fault::Refused { text, .. } if text.contains("denied the request") => Ok(true),
        // Istio's kinds are not installed, or the webhook is not reached and must be: not yet.
        Fault::Missing | Fault::Refused { .. } => Ok(false),
        other => Err(other),
    }
}

fn webhooks(config: &Value) -> impl Iterator<Item = (usize, &Value)> {
    let all = config.get("webhooks").and_then(Value::as_array);
    all.into_iter().flatten().enumerate()
}

/// The steps that give every webhook these roots; each only if the webhook is still in its place.
fn bundles(config: &Value, roots: &str) -> Vec<Value> {
    let wanted = base64(roots);
    let others = webhooks(config).filter(|(_, webhook)| {
        let told = webhook.pointer("/clientConfig/caBundle");
        told.and_then(Value::as_str) != Some(&wanted)
    });
    others
        .flat_map(|(number, webhook)| {
            let place = format!("/webhooks/{number}/clientConfig/caBundle");
            [still(number, webhook), put(place, &wanted)]
        })
        .collect()
}

/// Webhooks without which the API server goes on.
fn lenient(config: &Value) -> impl Iterator<Item = (usize, &Value)> {
    webhooks(config).filter(|(_, webhook)| {
        webhook.get("failurePolicy").and_then(Value::as_str) == Some("Ignore")
    })
}

/// The steps that make the API server refuse what the webhooks do not answer for.
fn strict(config: &Value) -> Vec<Value> {
    lenient(config)
        .flat_map(|(number, webhook)| {
            let place = format!("/webhooks/{number}/failurePolicy");
            [still(number, webhook), put(place, "Fail")]
        })
        .collect()
}

fn still(number: usize, webhook: &Value) -> Value {
    let name = webhook.get("name").unwrap_or(&Value::Null);
    json!({"op": "test", "path": format!("/webhooks/{number}/name"), "value": name})
}

fn put(path: String, value: &str) -> Value {
    json!({"op": "add", "path": path, "value": value})
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

#[cfg(test)]
mod tests;
