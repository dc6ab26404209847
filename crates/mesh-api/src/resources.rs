//! The typed, immutable collection of everything that is configured.
//!
//! A bad object is left out with its diagnostics; its neighbours stay.

use std::collections::BTreeMap;
use std::sync::Arc;

use mesh_model::Str;
use mesh_model::diag::{Diagnostic, Severity};
use mesh_model::name::ResourceKey;

use crate::codes;
use crate::kubernetes::ingress::{Ingress, IngressClass};
use crate::kubernetes::secret::Secret;
use crate::kubernetes::{Deployment, EndpointSlice, Namespace, Node, Pod, Service, ServiceAccount};
use crate::meta::{Object, ObjectMeta};
use crate::networking::destination_rule::DestinationRule;
use crate::networking::gateway::Gateway;
use crate::networking::virtual_service::VirtualService;
use crate::security::peer_authentication::PeerAuthentication;

pub use read::read;

mod read;

/// An object whose content was read and found valid.
#[derive(Debug, Clone, PartialEq)]
pub struct Resource<T> {
    /// Which object it is.
    pub key: ResourceKey,
    /// Its metadata.
    pub meta: ObjectMeta,
    /// Its content.
    pub spec: T,
    /// Where it came from.
    pub origin: Str,
}

impl<T> Resource<T> {
    /// The order that decides who came first: creation time, then name, then namespace.
    ///
    /// istio: objects that do not say when they were made come before all others.
    fn age(&self) -> impl Ord + use<T> {
        (
            self.meta.creation_timestamp,
            self.key.name.clone(),
            self.key.namespace.clone(),
            self.key.kind.clone(),
        )
    }
}

/// A valid object of one of the kinds that mean something to the mesh.
#[derive(Debug, Clone, PartialEq)]
pub enum Typed {
    /// A VirtualService.
    VirtualService(Arc<Resource<VirtualService>>),
    /// A DestinationRule.
    DestinationRule(Arc<Resource<DestinationRule>>),
    /// A Gateway.
    Gateway(Arc<Resource<Gateway>>),
    /// A PeerAuthentication.
    PeerAuthentication(Arc<Resource<PeerAuthentication>>),
    /// A Service.
    Service(Arc<Resource<Service>>),
    /// A Pod.
    Pod(Arc<Resource<Pod>>),
    /// An EndpointSlice.
    EndpointSlice(Arc<Resource<EndpointSlice>>),
    /// A Namespace.
    Namespace(Arc<Resource<Namespace>>),
    /// A ServiceAccount.
    ServiceAccount(Arc<Resource<ServiceAccount>>),
    /// A Deployment.
    Deployment(Arc<Resource<Deployment>>),
    /// A StatefulSet, ReplicaSet or DaemonSet.
    OtherWorkload(Arc<Resource<Deployment>>),
    /// A Node.
    Node(Arc<Resource<Node>>),
    /// A Secret.
    Secret(Arc<Resource<Secret>>),
    /// An Ingress.
    Ingress(Arc<Resource<Ingress>>),
    /// An IngressClass.
    IngressClass(Arc<Resource<IngressClass>>),
    /// An object that means nothing to the mesh.
    Tolerated(ResourceKey),
}

/// Everything that is configured, by kind; each list from the oldest to the youngest.
///
/// Cloning copies pointers. Order: creation time (unknown first), name, namespace.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ResourceSet {
    /// VirtualServices.
    pub virtual_services: Vec<Arc<Resource<VirtualService>>>,
    /// DestinationRules.
    pub destination_rules: Vec<Arc<Resource<DestinationRule>>>,
    /// Gateways.
    pub gateways: Vec<Arc<Resource<Gateway>>>,
    /// PeerAuthentications.
    pub peer_authentications: Vec<Arc<Resource<PeerAuthentication>>>,
    /// Services.
    pub services: Vec<Arc<Resource<Service>>>,
    /// Pods.
    pub pods: Vec<Arc<Resource<Pod>>>,
    /// EndpointSlices.
    pub endpoint_slices: Vec<Arc<Resource<EndpointSlice>>>,
    /// Namespaces.
    pub namespaces: Vec<Arc<Resource<Namespace>>>,
    /// ServiceAccounts.
    pub service_accounts: Vec<Arc<Resource<ServiceAccount>>>,
    /// Deployments.
    pub deployments: Vec<Arc<Resource<Deployment>>>,
    /// StatefulSets, ReplicaSets and DaemonSets; the key says which.
    pub other_workloads: Vec<Arc<Resource<Deployment>>>,
    /// Nodes.
    pub nodes: Vec<Arc<Resource<Node>>>,
    /// Secrets that gateways may have for credentials.
    pub secrets: Vec<Arc<Resource<Secret>>>,
    /// Ingresses.
    pub ingresses: Vec<Arc<Resource<Ingress>>>,
    /// IngressClasses.
    pub ingress_classes: Vec<Arc<Resource<IngressClass>>>,
}

impl ResourceSet {
    /// Reads and validates objects; those with an error are left out.
    ///
    /// Of two objects with one key the first counts, and the other is a diagnostic.
    #[must_use]
    pub fn build(objects: impl IntoIterator<Item = Object>) -> (Self, Vec<Diagnostic>) {
        let mut found = Vec::new();
        let mut kept: BTreeMap<ResourceKey, (Str, Typed)> = BTreeMap::new();
        for object in objects {
            let (typed, diagnostics) = read(&object);
            found.extend(diagnostics);
            let Some(typed) = typed else { continue };
            if let Some((first, _)) = kept.get(&object.key) {
                found.push(duplicate(&object.key, &object.origin, first));
                continue;
            }
            kept.insert(object.key, (object.origin, typed));
        }
        let set = kept.into_values().map(|(_, typed)| typed).collect();
        (set, found)
    }
}

/// The diagnostic of an object that is declared a second time, at `origin`.
#[must_use]
pub fn duplicate(key: &ResourceKey, origin: &Str, first: &Str) -> Diagnostic {
    let text = format!("is declared already in {first}");
    Diagnostic::error(codes::DUPLICATE, key, "", text)
        .with_hint("remove one of the two")
        .with_origin(origin.clone())
}

/// Whether any of the diagnostics is an error.
#[must_use]
pub fn has_errors(diagnostics: &[Diagnostic]) -> bool {
    diagnostics
        .iter()
        .any(|diagnostic| diagnostic.severity == Severity::Error)
}

impl FromIterator<Typed> for ResourceSet {
    fn from_iter<I: IntoIterator<Item = Typed>>(typed: I) -> Self {
        let mut set = Self::default();
        for one in typed {
            set.push(one);
        }
        set.sorted()
    }
}

impl ResourceSet {
    /// Puts an object in, in the place of the one with its key.
    pub fn put(&mut self, typed: Typed) {
        match &typed {
            Typed::VirtualService(new) => without(&mut self.virtual_services, &new.key),
            Typed::DestinationRule(new) => without(&mut self.destination_rules, &new.key),
            Typed::Gateway(new) => without(&mut self.gateways, &new.key),
            Typed::PeerAuthentication(new) => without(&mut self.peer_authentications, &new.key),
            Typed::Service(new) => without(&mut self.services, &new.key),
            Typed::Pod(new) => without(&mut self.pods, &new.key),
            Typed::EndpointSlice(new) => without(&mut self.endpoint_slices, &new.key),
            Typed::Namespace(new) => without(&mut self.namespaces, &new.key),
            Typed::ServiceAccount(new) => without(&mut self.service_accounts, &new.key),
            Typed::Deployment(new) => without(&mut self.deployments, &new.key),
            Typed::OtherWorkload(new) => without(&mut self.other_workloads, &new.key),
            Typed::Node(new) => without(&mut self.nodes, &new.key),
            Typed::Secret(new) => without(&mut self.secrets, &new.key),
            Typed::Ingress(new) => without(&mut self.ingresses, &new.key),
            Typed::IngressClass(new) => without(&mut self.ingress_classes, &new.key),
            Typed::Tolerated(_) => {}
        }
        self.push(typed);
        *self = std::mem::take(self).sorted();
    }

    fn push(&mut self, typed: Typed) {
        match typed {
            Typed::VirtualService(resource) => self.virtual_services.push(resource),
            Typed::DestinationRule(resource) => self.destination_rules.push(resource),
            Typed::Gateway(resource) => self.gateways.push(resource),
            Typed::PeerAuthentication(resource) => self.peer_authentications.push(resource),
            Typed::Service(resource) => self.services.push(resource),
            Typed::Pod(resource) => self.pods.push(resource),
            Typed::EndpointSlice(resource) => self.endpoint_slices.push(resource),
            Typed::Namespace(resource) => self.namespaces.push(resource),
            Typed::ServiceAccount(resource) => self.service_accounts.push(resource),
            Typed::Deployment(resource) => self.deployments.push(resource),
            Typed::OtherWorkload(resource) => self.other_workloads.push(resource),
            Typed::Node(resource) => self.nodes.push(resource),
            Typed::Secret(resource) => self.secrets.push(resource),
            Typed::Ingress(resource) => self.ingresses.push(resource),
            Typed::IngressClass(resource) => self.ingress_classes.push(resource),
            Typed::Tolerated(_) => {}
        }
    }

    fn sorted(mut self) -> Self {
        by_age(&mut self.virtual_services);
        by_age(&mut self.destination_rules);
        by_age(&mut self.gateways);
        by_age(&mut self.peer_authentications);
        by_age(&mut self.services);
        by_age(&mut self.pods);
        by_age(&mut self.endpoint_slices);
        by_age(&mut self.namespaces);
        by_age(&mut self.service_accounts);
        by_age(&mut self.deployments);
        by_age(&mut self.other_workloads);
        by_age(&mut self.ingress_classes);
        by_age(&mut self.ingresses);
        by_age(&mut self.secrets);
        by_age(&mut self.nodes);
        self
    }
}

fn without<T>(resources: &mut Vec<Arc<Resource<T>>>, key: &ResourceKey) {
    resources.retain(|resource| resource.key != *key);
}

fn by_age<T>(resources: &mut [Arc<Resource<T>>]) {
    resources.sort_by_cached_key(|resource| resource.age());
}

#[cfg(test)]
mod tests;
