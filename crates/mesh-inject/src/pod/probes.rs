//! The application's probes through the sidecar: the kubelet has no certificate, so under mutual TLS
//! it asks the sidecar, which asks the application from within the pod.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::Edit;
use crate::codes;
use crate::problem::Problem;
use crate::settings::{HEALTH_PORT, Settings};

/// The variable by which the sidecar learns whom to ask, by path, with Istio's members.
pub(crate) const VARIABLE: &str = "ISTIO_KUBE_APP_PROBERS";

/// What the kubelet asks of a container: where it stands, and Istio's path for it at the sidecar.
struct Asked {
    at: &'static str,
    path: fn(&str) -> String,
    /// The kinds of questions that go over the network.
    handlers: &'static [&'static str],
}

const PROBES: &[&str] = &["httpGet", "tcpSocket", "grpc"];
const HOOKS: &[&str] = &["httpGet"];
const ASKED: [Asked; 5] = [
    Asked {
        at: "/livenessProbe",
        path: |name| format!("/app-health/{name}/livez"),
        handlers: PROBES,
    },
    Asked {
        at: "/readinessProbe",
        path: |name| format!("/app-health/{name}/readyz"),
        handlers: PROBES,
    },
    Asked {
        at: "/startupProbe",
        path: |name| format!("/app-health/{name}/startupz"),
        handlers: PROBES,
    },
    Asked {
        at: "/lifecycle/postStart",
        path: |name| format!("/app-lifecycle/{name}/poststartz"),
        handlers: HOOKS,
    },
    Asked {
        at: "/lifecycle/preStop",
        path: |name| format!("/app-lifecycle/{name}/prestopz"),
        handlers: HOOKS,
    },
];

const LISTS: [&str; 2] = ["/spec/containers", "/spec/initContainers"];

/// Sends the kubelet to the sidecar; answers what the sidecar asks, by path.
pub(super) fn redirect(
    edit: &mut Edit<'_>,
    settings: &Settings,
) -> Result<Map<String, Value>, Problem> {
    let port = settings.proxy.status_port;
    let mut probers = Map::new();
    if !settings.rewrite_app_probes || port == 0 {
        return Ok(probers);
    }
    for list in LISTS {
        let containers = edit.pod.pointer_mut(list).and_then(Value::as_array_mut);
        for (index, container) in containers.into_iter().flatten().enumerate() {
            if list == "/spec/initContainers" && container["restartPolicy"] != "Always" {
                continue;
            }
            let field = format!(
                "{}[{index}]",
                list.trim_start_matches('/').replace('/', ".")
            );
            let name = container["name"].as_str().unwrap_or_default().to_owned();
            for asked in &ASKED {
                let path = (asked.path)(&name);
                if let Some((before, prober)) = redirect_one(container, asked, &path, port, &field)?
                {
                    edit.record.probes.insert(path.clone(), before);
                    probers.insert(path, prober);
                }
            }
        }
    }
    Ok(probers)
}

/// What was there, and what the sidecar asks.
fn redirect_one(
    container: &mut Value,
    asked: &Asked,
    path: &str,
    port: u16,
    field: &str,
) -> Result<Option<(Value, Value)>, Problem> {
    let ports = container.get("ports").cloned().unwrap_or_default();
    let Some(probe) = container
        .pointer_mut(asked.at)
        .and_then(Value::as_object_mut)
    else {
        return Ok(None);
    };
    let kind = asked
        .handlers
        .iter()
        .find(|kind| probe.contains_key(**kind));
    let Some((kind, handler)) = kind.and_then(|kind| Some((*kind, probe.get(*kind)?))) else {
        return Ok(None);
    };
    let field = format!("{field}{}.{kind}.port", asked.at.replace('/', "."));
    let number = number(handler.get("port"), &ports)
        .map_err(|why| Problem::error(codes::SHAPE, field, why.0).with_hint(why.1))?;
    // Another host is not the pod, and the sidecar answers for itself without help.
    if names_host(handler) || number == port || number == HEALTH_PORT {
        return Ok(None);
    }
    let mut asks = handler.clone();
    if let Some(port) = asks.get_mut("port") {
        *port = json!(number);
    }
    let prober = match probe.get("timeoutSeconds") {
        Some(timeout) => json!({ kind: asks, "timeoutSeconds": timeout }),
        None => json!({ kind: asks }),
    };
    let before = probe.remove(kind).map(|handler| json!({ kind: handler }));
    probe.insert("httpGet".to_owned(), json!({"path": path, "port": port}));
    Ok(before.map(|before| (before, prober)))
}

/// Whether a probe names the host to ask, which is then not the pod.
pub(super) fn names_host(handler: &Value) -> bool {
    let host = handler.get("host").and_then(Value::as_str);
    host.is_some_and(|host| !host.is_empty())
}

/// A port by number or by its name in the same container.
fn number(port: Option<&Value>, ports: &Value) -> Result<u16, (String, String)> {
    let wrong = |message: &str| (message.to_owned(), String::new());
    let port = port.ok_or_else(|| wrong("is missing"))?;
    let numeric = match port {
        Value::String(text) => text.parse().ok(),
        other => other.as_u64(),
    };
    if let Some(number) = numeric {
        let number = u16::try_from(number).ok().filter(|number| *number > 0);
        return number.ok_or_else(|| wrong("is no port"));
    }
    let name = port.as_str().ok_or_else(|| wrong("is no port"))?;
    let ports = ports.as_array().map_or(&[][..], Vec::as_slice);
    let named = ports.iter().find(|one| one["name"] == name);
    let number = named.and_then(|one| u16::try_from(one["containerPort"].as_u64()?).ok());
    number.ok_or_else(|| {
        let names: Vec<&str> = ports
            .iter()
            .filter_map(|one| one["name"].as_str())
            .collect();
        let hint = match names.is_empty() {
            true => "none of its ports has a name".to_owned(),
            false => format!("its ports are {}", names.join(", ")),
        };
        (format!("no port of the container is named {name:?}"), hint)
    })
}

/// Lets the kubelet ask what it asked before; probes that were changed since stay as they are.
pub(crate) fn restore(pod: &mut Value, before: &BTreeMap<String, Value>) {
    for list in LISTS {
        let containers = pod.pointer_mut(list).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            let name = container["name"].as_str().unwrap_or_default().to_owned();
            for asked in &ASKED {
                let path = (asked.path)(&name);
                let before = before.get(&path).and_then(Value::as_object);
                let probe = container
                    .pointer_mut(asked.at)
                    .and_then(Value::as_object_mut);
                if let (Some(before), Some(probe)) = (before, probe)
                    && probe.get("httpGet").is_some_and(|get| get["path"] == *path)
                {
                    probe.remove("httpGet");
                    probe.extend(before.clone());
                }
            }
        }
    }
}
