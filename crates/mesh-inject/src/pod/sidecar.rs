//! The sidecar's container: mesh-proxy with its flags, its probes and its rights.

use mesh_model::heap::TUNABLES;
use serde_json::{Map, Value, json};

use super::{Around, SIDECAR, metrics, probes, volumes};
use crate::annotations::Wanted;
use crate::durations;
use crate::quantity;
use crate::settings::{ADMIN_PORT, HEALTH_PORT, METRICS_PORT, PROXY_USER, Proxy, Settings, Timing};

/// The most worker threads that mesh-proxy takes.
const MOST_THREADS: u64 = 256;
/// istio: the default of `MINIMUM_DRAIN_DURATION`, which counts with `EXIT_ON_ZERO_ACTIVE_CONNECTIONS`.
const MINIMUM_DRAIN_TIME: &str = "5s";

pub(super) fn container(
    wanted: &Wanted,
    arguments: Vec<String>,
    probers: &Map<String, Value>,
    scraped: Option<&Value>,
) -> Value {
    let settings = &wanted.settings;
    let proxy = &settings.proxy;
    let mut container = json!({
        "name": SIDECAR,
        "command": proxy.command,
        "args": arguments,
        "env": environment(probers, scraped),
        "ports": [{"containerPort": METRICS_PORT, "name": "http-envoy-prom", "protocol": "TCP"}],
        "resources": proxy.resources,
        "securityContext": rights(),
        "volumeMounts": volumes::mounts(wanted),
    });
    if let Some(members) = container.as_object_mut() {
        members.extend(life(settings));
    }
    with_image(container, &proxy.image, &proxy.image_pull_policy)
}

/// Adds the image to a container, and when it is pulled if that is said.
pub(super) fn with_image(mut container: Value, image: &str, pull_policy: &str) -> Value {
    if let Some(members) = container.as_object_mut() {
        members.insert("image".to_owned(), json!(image));
        if !pull_policy.is_empty() {
            members.insert("imagePullPolicy".to_owned(), json!(pull_policy));
        }
    }
    container
}

/// The flags of mesh-proxy; `$(NAME)` is replaced by the kubelet.
pub(super) fn arguments(pod: &Value, wanted: &Wanted, around: Around<'_>) -> Vec<String> {
    let proxy = &wanted.settings.proxy;
    let drain_time = durations::with_one_unit(&proxy.drain_time).unwrap_or_default();
    let port = |port: u16| match port {
        0 => String::new(),
        port => port.to_string(),
    };
    let exits = match proxy.exit_on_zero_active_connections {
        true => "true",
        false => "",
    };
    let workload = match around.workload {
        "" => "$(POD_NAME)",
        name => name,
    };
    let mesh_namespace = match proxy.mesh_namespace.as_str() {
        // The proxy's own default needs no word.
        "istio-system" => "",
        other => other,
    };
    let flags = [
        ("name", "$(POD_NAME)"),
        ("namespace", "$(POD_NAMESPACE)"),
        ("service-account", "$(SERVICE_ACCOUNT)"),
        ("address", "$(INSTANCE_IP)"),
        ("workload", workload),
        ("domain", &proxy.domain),
        ("interception-mode", wanted.settings.capture.mode.word()),
        ("trust-domain", &proxy.trust_domain),
        ("mesh-namespace", mesh_namespace),
        ("ca-address", &proxy.ca_address),
        ("ca-root", volumes::ROOT_FILE),
        ("token-file", volumes::TOKEN_FILE),
        ("xds-address", &proxy.xds_address),
        ("config-cache", volumes::CONFIG_CACHE),
        ("telemetry-address", &proxy.telemetry_address),
        ("admin", &format!("127.0.0.1:{ADMIN_PORT}")),
        ("concurrency", &concurrency(proxy).to_string()),
        ("access-log", &proxy.access_log),
        ("drain-time", &drain_time),
        (
            "minimum-drain-duration",
            &minimum_drain_time(&wanted.settings, around, &drain_time),
        ),
        ("exit-on-zero-active-connections", exits),
        ("status-port", &port(proxy.status_port)),
        ("envoy-status-port", &port(HEALTH_PORT)),
        ("envoy-prometheus-port", &port(METRICS_PORT)),
        ("log-level", &proxy.log_level),
    ];
    let flags = flags.iter().filter(|(_, value)| !value.is_empty());
    let mut arguments: Vec<String> = flags
        .map(|(name, value)| format!("--{name}={value}"))
        .collect();
    let labels = pod.pointer("/metadata/labels").and_then(Value::as_object);
    let labels = labels.into_iter().flatten();
    arguments.extend(
        labels.filter_map(|(name, value)| Some(format!("--label={name}={}", value.as_str()?))),
    );
    arguments.extend(proxy.extra_arguments.iter().cloned());
    arguments
}

/// How long the sidecar stays at the least; empty is not at all.
///
/// A classic one gets its signal with the application, which may still call others. A native one has
/// outlived the application, but its clients do not all know yet that the pod is gone: who is refused
/// goes elsewhere at once, who asks an address that nobody has waits. Nobody calls a pod that has done
/// its work.
fn minimum_drain_time(settings: &Settings, around: Around<'_>, drain_time: &str) -> String {
    let proxy = &settings.proxy;
    match proxy.minimum_drain_time.as_str() {
        "" if proxy.exit_on_zero_active_connections => MINIMUM_DRAIN_TIME.to_owned(),
        "" if settings.native_sidecars && around.ends => String::new(),
        "" => drain_time.to_owned(),
        minimum => durations::with_one_unit(minimum).unwrap_or_default(),
    }
}

/// istio: as many threads as the processors that the sidecar may use, or else asks for.
fn concurrency(proxy: &Proxy) -> u64 {
    if let Some(threads) = proxy.concurrency {
        return u64::from(threads);
    }
    let resources = &proxy.resources;
    let cpu = resources
        .limits
        .get("cpu")
        .or_else(|| resources.requests.get("cpu"));
    let milli = cpu
        .and_then(|cpu| quantity::millicores(cpu))
        .unwrap_or(2_000);
    milli.div_ceil(1_000).clamp(1, MOST_THREADS)
}

fn environment(probers: &Map<String, Value>, scraped: Option<&Value>) -> Vec<Value> {
    let field = |name: &str, path: &str| json!({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}});
    let mut variables = vec![
        field("POD_NAME", "metadata.name"),
        field("POD_NAMESPACE", "metadata.namespace"),
        field("INSTANCE_IP", "status.podIP"),
        field("SERVICE_ACCOUNT", "spec.serviceAccountName"),
        json!({"name": TUNABLES.0, "value": TUNABLES.1}),
    ];
    if !probers.is_empty() {
        let probers = Value::Object(probers.clone()).to_string();
        variables.push(json!({"name": probes::VARIABLE, "value": probers}));
    }
    if let Some(scraped) = scraped {
        variables.push(json!({"name": metrics::VARIABLE, "value": scraped.to_string()}));
    }
    variables
}

/// When the container counts as started and as ready, and what waits for it.
fn life(settings: &Settings) -> Map<String, Value> {
    let proxy = &settings.proxy;
    let (native, hold) = (
        settings.native_sidecars,
        settings.hold_application_until_proxy_starts,
    );
    let mut members = Map::new();
    let mut set = |name: &str, value| members.insert(name.to_owned(), value);
    if native {
        set("restartPolicy", json!("Always"));
    }
    if proxy.status_port > 0 {
        set("readinessProbe", probe(proxy.readiness));
        // The kubelet starts the next container when this probe of a native sidecar has succeeded.
        if hold || !native {
            set("startupProbe", probe(proxy.startup));
        }
    }
    if hold && !native {
        // The kubelet starts the next container when this one's hook has returned.
        let wait: Vec<&str> = proxy
            .command
            .iter()
            .map(String::as_str)
            .chain(["wait"])
            .collect();
        set(
            "lifecycle",
            json!({"postStart": {"exec": {"command": wait}}}),
        );
    }
    members
}

fn probe(timing: Timing) -> Value {
    let mut probe = json!({
        "httpGet": {"path": "/healthz/ready", "port": HEALTH_PORT},
        "periodSeconds": timing.period_seconds,
        "timeoutSeconds": 3,
        "failureThreshold": timing.failure_threshold,
    });
    if let Some(members) = probe
        .as_object_mut()
        .filter(|_| timing.initial_delay_seconds > 0)
    {
        members.insert(
            "initialDelaySeconds".to_owned(),
            json!(timing.initial_delay_seconds),
        );
    }
    probe
}

/// None: what is redirected arrives without any.
fn rights() -> Value {
    json!({
        "allowPrivilegeEscalation": false,
        "capabilities": {"drop": ["ALL"]},
        "privileged": false,
        "readOnlyRootFilesystem": true,
        "runAsGroup": PROXY_USER,
        "runAsNonRoot": true,
        "runAsUser": PROXY_USER,
        "seccompProfile": {"type": "RuntimeDefault"},
    })
}
