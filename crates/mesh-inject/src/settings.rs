//! What an injection is done with: the sidecar's image, resources, addresses, and the mesh's wishes.
//!
//! The chart writes them into a ConfigMap, from which the webhook and `meshctl kube-inject` read
//! them; a name that is not known is an error. Annotations of a pod change its copy of them.

use std::collections::BTreeMap;

use mesh_api::decode::documents;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::selector::Selector;

mod mesh_config;

pub use mesh_config::BadMeshConfig;

/// Istio's user of the sidecar, whose traffic is not captured (`-u`).
pub const PROXY_USER: u32 = 1337;
/// Istio's port to which outbound connections are redirected (`-p`).
pub const OUTBOUND_PORT: u16 = 15001;
/// Istio's port to which inbound connections are redirected (`-z`).
pub const INBOUND_PORT: u16 = 15006;
/// Istio's port of the admin pages, on loopback.
pub const ADMIN_PORT: u16 = 15000;
/// Istio's port of merged metrics and the application's probes.
pub const STATUS_PORT: u16 = 15020;
/// Istio's port of the sidecar's own readiness.
pub const HEALTH_PORT: u16 = 15021;
/// Istio's port of the sidecar's own metrics.
pub const METRICS_PORT: u16 = 15090;
/// Ports of the sidecar, on which no application can be scraped (Istio: prometheus merging).
pub const OWN_PORTS: [u16; 9] = [
    ADMIN_PORT,
    OUTBOUND_PORT,
    15004,
    INBOUND_PORT,
    15008,
    STATUS_PORT,
    HEALTH_PORT,
    15053,
    METRICS_PORT,
];

/// What an injection is done with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Settings {
    /// The revision of the control plane whose sidecars these are.
    pub revision: String,
    /// Whether pods that say nothing get a sidecar.
    pub policy: Policy,
    /// Pods that get a sidecar although the policy is `disabled`.
    pub always_inject_selector: Vec<Selector>,
    /// Pods that get none although the policy is `enabled`.
    pub never_inject_selector: Vec<Selector>,
    /// Namespaces whose pods never get one.
    pub system_namespaces: Vec<String>,
    /// The sidecar.
    pub proxy: Proxy,
    /// What sends the pod's traffic to the sidecar.
    pub capture: Capture,
    /// Secrets with which the images are pulled.
    pub image_pull_secrets: Vec<String>,
    /// Whether the sidecar is an init container that goes on running, which Kubernetes knows since
    /// 1.29: init containers reach the mesh, and Jobs end.
    pub native_sidecars: bool,
    /// Whether applications start when the sidecar is ready.
    pub hold_application_until_proxy_starts: bool,
    /// Whether the kubelet probes the application through the sidecar, which mutual TLS needs.
    pub rewrite_app_probes: bool,
    /// Whether the sidecar serves the application's metrics with its own.
    pub prometheus_merge: bool,
}

/// Whether pods that say nothing get a sidecar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// They do.
    #[default]
    Enabled,
    /// They do not.
    Disabled,
}

/// The sidecar.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Proxy {
    /// Its image.
    pub image: String,
    /// When the image is pulled; Kubernetes' default when empty.
    pub image_pull_policy: String,
    /// The program within the image.
    pub command: Vec<String>,
    /// Arguments after those that the injector makes.
    pub extra_arguments: Vec<String>,
    /// What it may use.
    pub resources: Resources,
    /// Worker threads; without it the processors of its limit or else of its request, rounded up.
    pub concurrency: Option<u16>,
    /// What it logs.
    pub log_level: String,
    /// Where it logs requests: a file, `-` for its standard output, or nothing.
    pub access_log: String,
    /// How long connections may finish.
    pub drain_time: String,
    /// How long the sidecar serves after SIGTERM though no connection is open. When it is empty that is
    /// the drain time, but nothing for a native sidecar in the pod of a Job.
    pub minimum_drain_time: String,
    /// Whether the sidecar waits for the last connection, however long that takes.
    pub exit_on_zero_active_connections: bool,
    /// DNS suffix of services.
    pub domain: String,
    /// Trust domain of the mesh.
    pub trust_domain: String,
    /// Where citadel signs certificates.
    pub ca_address: String,
    /// Namespace of the mesh's own components, whose identities are there.
    pub mesh_namespace: String,
    /// Where pilot serves configuration.
    pub xds_address: String,
    /// Where mixer takes telemetry; nothing is sent when empty.
    pub telemetry_address: String,
    /// Port of merged metrics and the application's probes; 0 is none, and no probes either.
    pub status_port: u16,
    /// How its readiness is probed.
    pub readiness: Timing,
    /// How its start is probed.
    pub startup: Timing,
}

/// How often something is probed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Timing {
    /// Seconds before the first probe.
    pub initial_delay_seconds: u32,
    /// Seconds between two probes.
    pub period_seconds: u32,
    /// Failures until it counts.
    pub failure_threshold: u32,
}

/// What a container asks for and what it may use.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Resources {
    /// What it may use.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<String, String>,
    /// What it asks for.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub requests: BTreeMap<String, String>,
}

/// How connections come to the sidecar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum InterceptionMode {
    /// Redirected by the kernel.
    Redirect,
    /// Not at all: the application speaks to the sidecar's listeners.
    None,
}

/// What sends the pod's traffic to the sidecar; lists are separated by commas, `*` is everything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Capture {
    /// The image; the sidecar's when empty.
    pub image: String,
    /// How.
    pub mode: InterceptionMode,
    /// Destinations whose connections are captured.
    #[serde(rename = "includeOutboundIPRanges")]
    pub include_outbound_ip_ranges: String,
    /// Those that are not.
    #[serde(rename = "excludeOutboundIPRanges")]
    pub exclude_outbound_ip_ranges: String,
    /// Ports of destinations that are captured whatever the address.
    pub include_outbound_ports: String,
    /// Those that are not.
    pub exclude_outbound_ports: String,
    /// Ports of the pod that are captured.
    pub include_inbound_ports: String,
    /// Those that are not, beside the sidecar's own.
    pub exclude_inbound_ports: String,
    /// Interfaces that are left alone.
    pub exclude_interfaces: String,
    /// Interfaces of virtual machines in the pod, whose traffic counts as outbound.
    pub virtual_interfaces: String,
    /// What it may use.
    pub resources: Resources,
}

/// Namespaces of Kubernetes itself (Istio: `IgnoredNamespaces`).
const SYSTEM_NAMESPACES: [&str; 4] = [
    "kube-system",
    "kube-public",
    "kube-node-lease",
    "local-path-storage",
];

impl Default for Settings {
    /// Those of a mesh in `istio-system`.
    fn default() -> Self {
        Self::of_mesh("istio-system")
    }
}

impl Settings {
    /// Those of a mesh that is installed in a namespace, with the defaults of the chart.
    #[must_use]
    pub fn of_mesh(root_namespace: &str) -> Self {
        Self {
            revision: "default".to_owned(),
            policy: Policy::default(),
            always_inject_selector: Vec::new(),
            never_inject_selector: Vec::new(),
            system_namespaces: SYSTEM_NAMESPACES.map(str::to_owned).to_vec(),
            proxy: Proxy::of_mesh(root_namespace),
            capture: Capture::default(),
            image_pull_secrets: Vec::new(),
            native_sidecars: true,
            hold_application_until_proxy_starts: true,
            rewrite_app_probes: true,
            prometheus_merge: true,
        }
    }

    /// Reads settings from YAML; what it does not name has its default.
    ///
    /// # Errors
    /// [`BadSettings`] with the field that cannot be used.
    pub fn from_yaml(text: &str) -> Result<Self, BadSettings> {
        let bad = |field: String, message: String| BadSettings { field, message };
        let documents = documents::split(text);
        let Some(document) = documents.first() else {
            return Ok(Self::default());
        };
        let value = documents::parse(document)
            .map_err(|problem| bad(format!("line {}", problem.line), problem.message))?;
        Self::from_value(value)
    }

    /// The same from a value.
    ///
    /// # Errors
    /// As [`Settings::from_yaml`].
    pub fn from_value(value: Value) -> Result<Self, BadSettings> {
        let settings: Self =
            serde_path_to_error::deserialize(value).map_err(|error| BadSettings {
                field: error.path().to_string(),
                message: error.inner().to_string(),
            })?;
        match settings.unusable() {
            None => Ok(settings),
            Some((field, message)) => Err(BadSettings {
                field: field.to_owned(),
                message: message.to_owned(),
            }),
        }
    }

    /// The first value that would make pods that Kubernetes refuses.
    fn unusable(&self) -> Option<(&'static str, &'static str)> {
        if self.proxy.image.is_empty() {
            return Some(("proxy.image", "is empty"));
        }
        if self.proxy.command.is_empty() {
            return Some(("proxy.command", "is empty"));
        }
        if let Err(_other) = crate::annotations::status_port(Some(self.proxy.status_port.into())) {
            return Some(("proxy.statusPort", "is another port of the sidecar"));
        }
        let is_no_duration = |text: &str| crate::durations::with_one_unit(text).is_none();
        let expected = "expected a duration such as 5s";
        if is_no_duration(&self.proxy.drain_time) {
            return Some(("proxy.drainTime", expected));
        }
        let minimum = &self.proxy.minimum_drain_time;
        let wrong = !minimum.is_empty() && is_no_duration(minimum);
        wrong.then_some(("proxy.minimumDrainTime", expected))
    }
}

/// Settings that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadSettings {
    /// The field, or the line.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

impl std::fmt::Display for BadSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

impl std::error::Error for BadSettings {}

impl Proxy {
    fn of_mesh(root_namespace: &str) -> Self {
        Self {
            image: concat!("mesh/mesh-proxy:", env!("CARGO_PKG_VERSION")).to_owned(),
            image_pull_policy: String::new(),
            command: vec!["mesh-proxy".to_owned()],
            extra_arguments: Vec::new(),
            resources: Resources::of(["2000m", "1024Mi"], ["10m", "40Mi"]),
            concurrency: None,
            log_level: "info".to_owned(),
            access_log: String::new(),
            drain_time: "5s".to_owned(),
            minimum_drain_time: String::new(),
            exit_on_zero_active_connections: false,
            domain: "cluster.local".to_owned(),
            trust_domain: "cluster.local".to_owned(),
            ca_address: format!("istio-citadel.{root_namespace}.svc:8060"),
            mesh_namespace: root_namespace.to_owned(),
            xds_address: format!("istio-pilot.{root_namespace}.svc:15012"),
            telemetry_address: format!("istio-telemetry.{root_namespace}.svc:9091"),
            status_port: STATUS_PORT,
            // Istio's of today; those of 1.1 (1, 2, 30) asked the kernel fifteen times as often.
            readiness: Timing {
                initial_delay_seconds: 0,
                period_seconds: 15,
                failure_threshold: 4,
            },
            startup: Timing {
                initial_delay_seconds: 0,
                period_seconds: 1,
                failure_threshold: 600,
            },
        }
    }
}

impl Default for Proxy {
    fn default() -> Self {
        Self::of_mesh("istio-system")
    }
}

impl Default for Capture {
    /// Everything in both directions.
    fn default() -> Self {
        Self {
            image: String::new(),
            mode: InterceptionMode::Redirect,
            include_outbound_ip_ranges: "*".to_owned(),
            exclude_outbound_ip_ranges: String::new(),
            include_outbound_ports: String::new(),
            exclude_outbound_ports: String::new(),
            include_inbound_ports: "*".to_owned(),
            exclude_inbound_ports: String::new(),
            exclude_interfaces: String::new(),
            virtual_interfaces: String::new(),
            resources: Resources::of(["100m", "50Mi"], ["10m", "10Mi"]),
        }
    }
}

impl Resources {
    fn of(limits: [&str; 2], requests: [&str; 2]) -> Self {
        let named = |values: [&str; 2]| {
            let names = ["cpu", "memory"].map(str::to_owned);
            names.into_iter().zip(values.map(str::to_owned)).collect()
        };
        Self {
            limits: named(limits),
            requests: named(requests),
        }
    }
}

impl InterceptionMode {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Redirect => "REDIRECT",
            Self::None => "NONE",
        }
    }

    /// The mode of a word.
    ///
    /// # Errors
    /// What the words are.
    pub fn from_word(word: &str) -> Result<Self, String> {
        match word {
            "REDIRECT" => Ok(Self::Redirect),
            "NONE" => Ok(Self::None),
            // departs from istio: the sidecar would need NET_ADMIN beside the application.
            "TPROXY" => Err("mesh does not capture so; use REDIRECT".to_owned()),
            _ => Err("expected REDIRECT or NONE".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests;
