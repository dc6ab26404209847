//! Ingress and IngressClass: what Kubernetes itself says of what enters a cluster.

use std::sync::Arc;

use serde::Deserialize;

use super::PortOrName;
use crate::meta::ObjectMeta;
use crate::resources::Resource;

/// The older way to say who serves an Ingress.
const CLASS_ANNOTATION: &str = "kubernetes.io/ingress.class";
/// The word that stands for the mesh there (Istio: meshConfig.ingressClass).
const CLASS: &str = "istio";
/// The controller of IngressClasses that the mesh serves.
const CONTROLLER: &str = "istio.io/ingress-controller";
/// Says of an IngressClass that it counts for Ingresses that name none.
const DEFAULT_CLASS: &str = "ingressclass.kubernetes.io/is-default-class";

/// `spec` of an Ingress, of `v1` and of `v1beta1`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Ingress {
    /// The IngressClass that says who serves it.
    pub ingress_class_name: Option<String>,
    /// Where requests go that no rule takes.
    pub default_backend: Option<IngressBackend>,
    /// The same in `v1beta1`.
    pub backend: Option<IngressBackend>,
    /// Which requests go where.
    pub rules: Vec<IngressRule>,
    /// Hosts that are served by TLS.
    pub tls: Vec<IngressTls>,
}

impl Ingress {
    /// Where requests go that no rule takes.
    #[must_use]
    pub fn default_backend(&self) -> Option<&IngressBackend> {
        self.default_backend.as_ref().or(self.backend.as_ref())
    }
}

/// Rules of one host.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct IngressRule {
    /// The host; empty for all, `*.` for one label in front.
    pub host: String,
    /// Its paths.
    pub http: IngressPaths,
}

/// Paths of one host.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct IngressPaths {
    /// Paths in order.
    pub paths: Vec<IngressPath>,
}

/// A path and where it leads.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct IngressPath {
    /// The path; empty for all.
    pub path: String,
    /// How it is compared.
    pub path_type: PathType,
    /// Where it leads.
    pub backend: IngressBackend,
}

/// How a path is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum PathType {
    /// As a whole.
    Exact,
    /// By its segments.
    Prefix,
    /// As whoever serves it sees fit; the default of `v1beta1`.
    #[default]
    ImplementationSpecific,
}

/// Where requests go.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct IngressBackend {
    /// A port of a Service of the same namespace.
    pub service: Option<IngressService>,
    /// The Service's name in `v1beta1`.
    pub service_name: String,
    /// Its port in `v1beta1`.
    pub service_port: Option<PortOrName>,
}

/// A port of a Service.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct IngressService {
    /// The Service's name.
    pub name: String,
    /// Its port.
    pub port: IngressPort,
}

/// A port by number or by name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct IngressPort {
    /// By number; 0 when it has none.
    pub number: u16,
    /// By name.
    pub name: String,
}

impl IngressBackend {
    /// The Service and its port; `None` when it is no Service.
    #[must_use]
    pub fn service(&self) -> Option<(&str, PortOrName)> {
        if let Some(service) = &self.service {
            let IngressPort { number, name } = &service.port;
            let port = match number {
                0 => PortOrName::Name(name.clone()),
                number => PortOrName::Number(*number),
            };
            return Some((&service.name, port));
        }
        let port = self.service_port.clone()?;
        (!self.service_name.is_empty()).then_some((self.service_name.as_str(), port))
    }
}

/// Hosts with one certificate.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct IngressTls {
    /// The hosts; none means all.
    pub hosts: Vec<String>,
    /// The Secret with their certificate.
    pub secret_name: String,
}

/// `spec` of an IngressClass.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct IngressClass {
    /// Who serves Ingresses of this class.
    pub controller: String,
}

/// Whether the mesh serves an Ingress: by its annotation, else by its class, else because ours is
/// the class of those that name none.
///
/// istio: meshConfig.ingressControllerMode STRICT.
#[must_use]
pub fn serves(meta: &ObjectMeta, spec: &Ingress, classes: &[Arc<Resource<IngressClass>>]) -> bool {
    if let Some(class) = meta.annotations.get(CLASS_ANNOTATION) {
        return *class == CLASS;
    }
    let mut ours = classes
        .iter()
        .filter(|class| class.spec.controller == CONTROLLER);
    match &spec.ingress_class_name {
        Some(name) => ours.any(|class| class.meta.name == **name),
        None => ours.any(|class| {
            let says = class.meta.annotations.get(DEFAULT_CLASS);
            says.is_some_and(|says| *says == "true")
        }),
    }
}
