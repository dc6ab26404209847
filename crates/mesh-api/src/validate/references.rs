//! Checks between objects: what they refer to must exist.
//!
//! They run over everything in force together with what is new. A missing host or subset is an
//! error that `apply` refuses and `--force` lets in: such a route answers 503 with flag NC.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mesh_model::diag::Diagnostic;
use mesh_model::labels::Labels;
use mesh_model::name::{Hostname, ResourceKey};

use super::Findings;
use crate::codes;
use crate::kubernetes::Service;
use crate::networking::destination_rule::DestinationRule;
use crate::networking::gateway::Gateway;
use crate::networking::virtual_service::{Destination, MESH_GATEWAY, VirtualService};
use crate::resources::{Resource, ResourceSet};
use crate::security::peer_authentication::PeerAuthentication;
use crate::to_model::{DEFAULT_DOMAIN, resolve_gateway, resolve_host, service_host};

mod credentials;

/// The namespace whose configuration counts for the whole mesh, where nothing else is said.
pub const ROOT_NAMESPACE: &str = "istio-system";

/// In which mesh references are looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mesh {
    /// DNS suffix of its services.
    pub domain: String,
    /// The namespace whose configuration counts for all of it.
    pub root_namespace: String,
}

impl Default for Mesh {
    fn default() -> Self {
        Self {
            domain: DEFAULT_DOMAIN.to_owned(),
            root_namespace: ROOT_NAMESPACE.to_owned(),
        }
    }
}

/// Checks what the objects of `only` refer to, in a cluster of the domain `cluster.local`.
#[must_use]
pub fn check_references(set: &ResourceSet, only: &BTreeSet<ResourceKey>) -> Vec<Diagnostic> {
    check_references_in(set, DEFAULT_DOMAIN, |key| only.contains(key))
}

/// Checks what the objects that `wanted` picks refer to, in a mesh of the namespace `istio-system`.
#[must_use]
pub fn check_references_in(
    set: &ResourceSet,
    domain: &str,
    wanted: impl Fn(&ResourceKey) -> bool,
) -> Vec<Diagnostic> {
    let mesh = Mesh {
        domain: domain.to_owned(),
        ..Mesh::default()
    };
    check_references_of(set, &mesh, wanted)
}

/// Checks what the objects that `wanted` picks refer to.
#[must_use]
pub fn check_references_of(
    set: &ResourceSet,
    mesh: &Mesh,
    wanted: impl Fn(&ResourceKey) -> bool,
) -> Vec<Diagnostic> {
    let index = Index::new(set, mesh);
    let mut found = Vec::new();
    each(
        &set.virtual_services,
        &wanted,
        &mut found,
        |service, findings| {
            index.virtual_service(service, findings);
        },
    );
    each(
        &set.destination_rules,
        &wanted,
        &mut found,
        |rule, findings| {
            index.destination_rule(rule, findings);
        },
    );
    each(&set.gateways, &wanted, &mut found, |gateway, findings| {
        index.gateway(gateway, findings);
    });
    each(
        &set.peer_authentications,
        &wanted,
        &mut found,
        |policy, findings| {
            index.peer_authentication(policy, findings);
        },
    );
    found
}

fn each<T>(
    resources: &[Arc<Resource<T>>],
    wanted: impl Fn(&ResourceKey) -> bool,
    found: &mut Vec<Diagnostic>,
    check: impl Fn(&Resource<T>, &mut Findings<'_>),
) {
    for resource in resources.iter().filter(|resource| wanted(&resource.key)) {
        let from = found.len();
        let key = &resource.key;
        check(resource, &mut Findings { key, found });
        for diagnostic in found.iter_mut().skip(from) {
            diagnostic.origin = resource.origin.clone();
        }
    }
}

/// What references are looked up in.
struct Index<'a> {
    domain: &'a str,
    root_namespace: &'a str,
    services: BTreeMap<Hostname, &'a Resource<Service>>,
    rules: Rules<'a>,
    secrets: credentials::Secrets<'a>,
    gateways: BTreeSet<(&'a str, &'a str)>,
    /// Labels of pods and of pod templates, with their namespace.
    workloads: Vec<(&'a str, &'a Labels)>,
    /// Who claims a host for the sidecars, the oldest first.
    claims: BTreeMap<Hostname, Vec<&'a ResourceKey>>,
}

impl<'a> Index<'a> {
    fn new(set: &'a ResourceSet, mesh: &'a Mesh) -> Self {
        let domain = mesh.domain.as_str();
        let services = set.services.iter().filter_map(|service| {
            let key = &service.key;
            let host = service_host(&key.name, &key.namespace, domain).ok()?;
            Some((host, &**service))
        });
        let gateways = set.gateways.iter();
        Self {
            domain,
            root_namespace: &mesh.root_namespace,
            secrets: credentials::Secrets::new(set),
            services: services.collect(),
            rules: Rules::new(set, domain),
            gateways: gateways
                .map(|gateway| (gateway.key.namespace.as_str(), gateway.key.name.as_str()))
                .collect(),
            workloads: workloads(set),
            claims: claims(set, domain),
        }
    }

    fn virtual_service(&self, service: &Resource<VirtualService>, findings: &mut Findings<'_>) {
        let namespace = service.key.namespace.as_str();
        for (index, written) in service.spec.gateways.iter().enumerate() {
            let gateway = resolve_gateway(written, namespace);
            if written != MESH_GATEWAY && !self.gateways.contains(&gateway) {
                findings.warning(
                    codes::REFERENCE,
                    format!("spec.gateways[{index}]"),
                    format!("there is no gateway {}/{}", gateway.0, gateway.1),
                    "until there is one, no gateway serves this VirtualService",
                );
            }
        }
        self.conflicts(service, findings);
        for (rule, tls) in service.spec.tls.iter().enumerate() {
            for (index, to) in tls.route.iter().enumerate() {
                let place = format!("spec.tls[{rule}].route[{index}].destination");
                self.destination(&to.destination, namespace, &place, findings);
            }
        }
        for (rule, http) in service.spec.http.iter().enumerate() {
            for (index, to) in http.route.iter().enumerate() {
                let place = format!("spec.http[{rule}].route[{index}].destination");
                self.destination(&to.destination, namespace, &place, findings);
            }
            for (to, _, field) in http.copies() {
                let place = format!("spec.http[{rule}].{field}");
                self.destination(to, namespace, &place, findings);
            }
        }
    }

    fn conflicts(&self, service: &Resource<VirtualService>, findings: &mut Findings<'_>) {
        if !service.spec.for_sidecars() {
            return;
        }
        for (index, written) in service.spec.hosts.iter().enumerate() {
            let claimants = resolve_host(written, &service.key.namespace, self.domain)
                .ok()
                .and_then(|host| self.claims.get(&host));
            let oldest = claimants.and_then(|claimants| claimants.first());
            if let Some(oldest) = oldest.filter(|oldest| **oldest != &service.key) {
                findings.warning(
                    codes::CONFLICTING_HOSTS,
                    format!("spec.hosts[{index}]"),
                    format!("{oldest} has rules for {written:?} already; sidecars use the oldest"),
                    "put all rules of a host into one VirtualService",
                );
            }
        }
    }

    fn destination(
        &self,
        to: &Destination,
        namespace: &str,
        place: &str,
        findings: &mut Findings<'_>,
    ) {
        let Ok(host) = resolve_host(&to.host, namespace, self.domain) else {
            return;
        };
        let Some(service) = self.services.get(&host) else {
            let text = format!("no service declares the host \"{host}\"");
            let field = format!("{place}.host");
            findings.add(codes::REFERENCE, field, text, self.host_hint(to, &host));
            return;
        };
        let Some((host, service)) = self.behind(&host, service) else {
            let name = service.spec.external_name.as_deref().unwrap_or_default();
            let text = format!("{} stands for {name:?}, which is no service", service.key);
            let hint = "requests can be sent to services of the mesh alone";
            return findings.add(codes::REFERENCE, format!("{place}.host"), text, hint);
        };
        check_port(to, service, place, findings);
        if !to.subset.is_empty() {
            self.subset(to, host, namespace, place, findings);
        }
    }

    /// The service itself, or the one that it is an alias of.
    fn behind(
        &'a self,
        host: &'a Hostname,
        service: &'a Resource<Service>,
    ) -> Option<(&'a Hostname, &'a Resource<Service>)> {
        if !service.spec.is_external_name() {
            return Some((host, service));
        }
        let find = |name: &Hostname| Some(&self.services.get(name)?.spec);
        let (host, service) = self.services.get_key_value(&service.spec.alias_of(find)?)?;
        Some((host, service))
    }

    /// A name with a dot is never completed, which is the usual mistake; otherwise the nearest.
    fn host_hint(&self, to: &Destination, host: &Hostname) -> String {
        if let Some((name, namespace)) = to.host.split_once('.') {
            let meant = service_host(name, namespace, self.domain).ok();
            if let Some(meant) = meant.filter(|meant| self.services.contains_key(meant)) {
                return format!("a name with a dot is taken as it is; write {meant}");
            }
        }
        let known = self.services.keys().map(Hostname::as_str);
        crate::schema::spelling::nearest(host.as_str(), known)
            .map_or_else(String::new, |near| format!("did you mean {near:?}?"))
    }

    fn subset(
        &self,
        to: &Destination,
        host: &Hostname,
        namespace: &str,
        place: &str,
        findings: &mut Findings<'_>,
    ) {
        let rules = self.rules_for(host, namespace);
        let mut subsets = rules.iter().flat_map(|rule| &rule.spec.subsets);
        if subsets.any(|subset| subset.name == to.subset) {
            return;
        }
        let field = format!("{place}.subset");
        let Some(first) = rules.first() else {
            let text = format!(
                "no subset {:?}: no destinationrule is for {host}",
                to.subset
            );
            let hint = "apply a destinationrule that defines the subset";
            return findings.add(codes::REFERENCE, field, text, hint);
        };
        let has = rules.iter().flat_map(|rule| &rule.spec.subsets);
        let has: Vec<&str> = has.map(|subset| subset.name.as_str()).collect();
        let has = match has.as_slice() {
            [] => "none".to_owned(),
            names => names.join(", "),
        };
        let text = format!("no subset {:?} in {}", to.subset, first.key);
        findings.add(codes::REFERENCE, field, text, format!("it has {has}"));
    }

    /// The rules that clients of the object's namespace find for a host.
    ///
    /// istio: the client's namespace, the service's, the root namespace; the first that has a rule
    /// for the host decides.
    fn rules_for(&self, host: &Hostname, namespace: &str) -> Vec<&'a Resource<DestinationRule>> {
        let service = self.services.get(host);
        let of_service = service.map_or(namespace, |service| service.key.namespace.as_str());
        [namespace, of_service, self.root_namespace]
            .into_iter()
            .map(|place| self.rules.of_namespace(host, place))
            .find(|rules| !rules.is_empty())
            .unwrap_or_default()
    }

    fn destination_rule(&self, rule: &Resource<DestinationRule>, findings: &mut Findings<'_>) {
        let host = resolve_host(&rule.spec.host, &rule.key.namespace, self.domain);
        let Ok(host) = host else { return };
        let known = if host.is_wildcard() {
            self.services.keys().any(|service| host.covers(service))
        } else {
            self.services.contains_key(&host)
        };
        if !known {
            let text = format!("no service declares the host \"{host}\"");
            let hint = "until one does, the rule has no effect";
            findings.warning(codes::REFERENCE, "spec.host", text, hint);
        } else if let Some(name) = self.services.get(&host).and_then(|it| it.spec.stands_for()) {
            let text = format!("\"{host}\" is but a name for \"{name}\"");
            let hint = "the rule has no effect; the one for the service itself is what counts";
            findings.warning(codes::REFERENCE, "spec.host", text, hint);
        }
    }

    fn gateway(&self, gateway: &Resource<Gateway>, findings: &mut Findings<'_>) {
        let selector = &gateway.spec.selector;
        let selected = self
            .workloads
            .iter()
            .filter(|(_, labels)| labels.contain(selector));
        let namespaces: BTreeSet<&str> = selected.map(|(namespace, _)| *namespace).collect();
        for (index, server) in gateway.spec.servers.iter().enumerate() {
            if let Some(tls) = server.tls.as_ref().filter(|_| server.is_tls()) {
                let field = format!("spec.servers[{index}].tls");
                self.secrets.check(tls, &field, &namespaces, findings);
            }
        }
        if namespaces.is_empty() {
            let hint = "until one does, nobody opens the ports of this gateway";
            no_workload("spec.selector", hint, findings);
        }
    }

    fn peer_authentication(
        &self,
        policy: &Resource<PeerAuthentication>,
        findings: &mut Findings<'_>,
    ) {
        let Some(selector) = policy.spec.selected_labels() else {
            return;
        };
        let here = policy.key.namespace.as_str();
        let selected = self
            .workloads
            .iter()
            .any(|(namespace, labels)| *namespace == here && labels.contain(selector));
        if !selected {
            let hint = "until one does, the policy has no effect";
            no_workload("spec.selector.matchLabels", hint, findings);
        }
    }
}

/// DestinationRules by the hosts they are for.
#[derive(Default)]
struct Rules<'a> {
    exact: BTreeMap<Hostname, Vec<&'a Resource<DestinationRule>>>,
    wildcard: Vec<(Hostname, &'a Resource<DestinationRule>)>,
}

impl<'a> Rules<'a> {
    fn new(set: &'a ResourceSet, domain: &str) -> Self {
        let mut rules = Self::default();
        for rule in &set.destination_rules {
            let host = resolve_host(&rule.spec.host, &rule.key.namespace, domain);
            match host {
                Ok(host) if host.is_wildcard() => rules.wildcard.push((host, rule)),
                Ok(host) => rules.exact.entry(host).or_default().push(rule),
                // Its own check reported it.
                Err(_) => {}
            }
        }
        rules
    }

    /// The rules of one namespace for a host; the most specific host decides.
    fn of_namespace(&self, host: &Hostname, namespace: &str) -> Vec<&'a Resource<DestinationRule>> {
        let here = |rule: &Resource<DestinationRule>| rule.key.namespace.as_str() == namespace;
        let exact = self.exact.get(host).into_iter().flatten().copied();
        let exact: Vec<_> = exact.filter(|rule| here(rule)).collect();
        if !exact.is_empty() {
            return exact;
        }
        let covering = || {
            let rules = self.wildcard.iter();
            rules.filter(|(covered, rule)| here(rule) && covered.covers(host))
        };
        let best = covering().min_by_key(|(covered, _)| covered.specificity());
        let rules = covering().filter(|(covered, _)| best.is_some_and(|(best, _)| best == covered));
        rules.map(|(_, rule)| *rule).collect()
    }
}

fn no_workload(field: &str, hint: &str, findings: &mut Findings<'_>) {
    let text = "no workload has these labels";
    findings.warning(codes::NO_WORKLOADS, field, text, hint);
}

fn check_port(
    to: &Destination,
    service: &Resource<Service>,
    place: &str,
    findings: &mut Findings<'_>,
) {
    let ports: Vec<u16> = service.spec.ports.iter().map(|port| port.port).collect();
    let listed = || {
        let numbers: Vec<String> = ports.iter().map(ToString::to_string).collect();
        numbers.join(", ")
    };
    match to.port {
        Some(port) if !ports.contains(&port.number) => findings.add(
            codes::REFERENCE,
            format!("{place}.port.number"),
            format!("{} has no port {}", service.key, port.number),
            format!("it has {}", listed()),
        ),
        None if ports.len() > 1 => findings.warning(
            codes::PORT_REQUIRED,
            format!("{place}.port"),
            format!("is missing, and {} has several ports", service.key),
            format!("name one of {}", listed()),
        ),
        Some(_) | None => {}
    }
}

fn workloads(set: &ResourceSet) -> Vec<(&str, &Labels)> {
    let pods = set
        .pods
        .iter()
        .map(|pod| (pod.key.namespace.as_str(), &pod.meta.labels));
    let templates = set.deployments.iter().chain(&set.other_workloads);
    let templates = templates.map(|deployment| {
        let labels = &deployment.spec.template.metadata.labels;
        (deployment.key.namespace.as_str(), labels)
    });
    pods.chain(templates).collect()
}

fn claims<'a>(set: &'a ResourceSet, domain: &str) -> BTreeMap<Hostname, Vec<&'a ResourceKey>> {
    let mut claims: BTreeMap<Hostname, Vec<&ResourceKey>> = BTreeMap::new();
    let for_sidecars = set
        .virtual_services
        .iter()
        .filter(|service| service.spec.for_sidecars());
    for service in for_sidecars {
        for written in &service.spec.hosts {
            if let Ok(host) = resolve_host(written, &service.key.namespace, domain) {
                claims.entry(host).or_default().push(&service.key);
            }
        }
    }
    claims
}

#[cfg(test)]
mod tests;
