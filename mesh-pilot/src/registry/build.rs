//! From Kubernetes' objects to services, endpoints and workloads.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use mesh_api::kubernetes::{self as k8s, AddressType, PortOrName, SERVICE_NAME_LABEL, Transport};
use mesh_api::to_model::{port_protocol, service_host};
use mesh_api::{Resource, ResourceSet, codes};
use mesh_model::Str;
use mesh_model::diag::Diagnostic;
use mesh_model::ident::ServiceAccount;
use mesh_model::labels::Labels;
use mesh_model::name::{Hostname, NamespacedName};
use mesh_model::service::{Endpoint, Health, Locality, Service, ServicePort, Workload};

use super::{RegisteredEndpoint, RegisteredService, Registry, TargetPort, aliases, listeners};

/// Set by the injector: the pod has a sidecar that takes mutual TLS.
const TLS_MODE_LABEL: &str = "security.istio.io/tlsMode";

/// Reads what is there; what cannot be carried over is said.
#[must_use]
pub fn build(set: &ResourceSet, domain: &str) -> (Registry, Vec<Diagnostic>) {
    let mut found = Vec::new();
    let nodes = Nodes::of(set);
    let workloads: BTreeMap<_, _> = set
        .pods
        .iter()
        .filter_map(|pod| workload(pod, &nodes, &mut found))
        .map(|workload| (workload.name.clone(), Arc::new(workload)))
        .collect();
    let services = set
        .services
        .iter()
        .filter(|service| !service.spec.is_external_name())
        .filter_map(|service| registered(service, domain))
        .collect();
    let mut registry = Registry {
        services,
        aliases: aliases::of(set, domain),
        workloads,
    };
    let cluster = Cluster {
        domain,
        nodes,
        ending: ending(set),
    };
    for slice in &set.endpoint_slices {
        add_slice(&mut registry, slice, &cluster);
    }
    for service in registry.services.values_mut() {
        tidy(&mut service.endpoints);
    }
    (registry, found)
}

/// Sorted, and what two slices tell alike only once.
fn tidy(endpoints: &mut Vec<RegisteredEndpoint>) {
    let key = |e: &RegisteredEndpoint| (e.endpoint.address, e.endpoint.port_name.clone());
    endpoints.sort_by_key(key);
    endpoints.dedup_by_key(|e| key(e));
}

fn registered(
    resource: &Resource<k8s::Service>,
    domain: &str,
) -> Option<(Hostname, RegisteredService)> {
    let (namespace, name) = (&resource.meta.namespace, &resource.meta.name);
    let hostname = service_host(name, namespace, domain).ok()?;
    let mut ports = Vec::new();
    let mut target_ports = BTreeMap::new();
    for port in &resource.spec.ports {
        let target = match &port.target_port {
            Some(PortOrName::Number(number)) => TargetPort::Number(*number),
            Some(PortOrName::Name(name)) => TargetPort::Named(name.as_str().into()),
            None => TargetPort::Number(port.port),
        };
        target_ports.insert(port.port, target);
        ports.push(ServicePort {
            name: port.name.as_str().into(),
            port: port.port,
            protocol: port_protocol(port),
        });
    }
    let service = Service {
        hostname: hostname.clone(),
        name: NamespacedName {
            namespace: namespace.clone(),
            name: name.clone(),
        },
        ports,
        addresses: resource.spec.addresses(),
        selector: resource.spec.selector.clone(),
    };
    let registered = RegisteredService {
        service: Arc::new(service),
        endpoints: Vec::new(),
        target_ports,
    };
    Some((hostname, registered))
}

fn workload(
    resource: &Resource<k8s::Pod>,
    nodes: &Nodes,
    found: &mut Vec<Diagnostic>,
) -> Option<Workload> {
    let (namespace, name) = (&resource.meta.namespace, &resource.meta.name);
    let service_account = ServiceAccount::new(namespace, resource.spec.spec.service_account());
    let service_account = match service_account {
        Ok(account) => account,
        Err(why) => {
            let field = "spec.serviceAccountName";
            let text = why.to_string();
            found.push(Diagnostic::error(codes::SCHEMA, &resource.key, field, text));
            return None;
        }
    };
    let binds = match listeners::of(resource.meta.annotations.get(listeners::ANNOTATION)) {
        Ok(binds) => binds,
        Err(why) => {
            let field = format!("metadata.annotations[{}]", listeners::ANNOTATION);
            found.push(Diagnostic::error(codes::SCHEMA, &resource.key, field, why));
            None
        }
    };
    Some(Workload {
        name: NamespacedName {
            namespace: namespace.clone(),
            name: name.clone(),
        },
        owner: owner(resource),
        service_account,
        labels: resource.meta.labels.clone(),
        locality: locality(&resource.meta.labels)
            .or_else(|| nodes.locality(resource.spec.spec.node_name.as_deref()))
            .unwrap_or_default(),
        address: resource.spec.status.pod_ip,
        addresses: resource.spec.status.addresses().collect(),
        container_ports: resource
            .spec
            .spec
            .tcp_ports()
            .map(|p| p.container_port)
            .collect(),
        port_names: resource
            .spec
            .spec
            .tcp_ports()
            .filter(|port| !port.name.is_empty())
            .map(|port| (port.name.as_str().into(), port.container_port))
            .collect(),
        binds,
    })
}

/// The name by which telemetry knows the workload: said by a label, else its Deployment's, which
/// for pods of a ReplicaSet is the ReplicaSet's name without the hash.
fn owner(pod: &Resource<k8s::Pod>) -> Str {
    if let Some(said) = pod.meta.labels.value("service.istio.io/workload-name") {
        return said.clone();
    }
    let Some(owner) = pod.meta.owner_references.first() else {
        return pod.meta.name.clone();
    };
    let hash = pod.meta.labels.value("pod-template-hash");
    let deployment = hash
        .filter(|_| owner.kind == "ReplicaSet")
        .and_then(|hash| owner.name.strip_suffix(hash.as_str()))
        .and_then(|name| name.strip_suffix('-'));
    deployment.map_or_else(|| owner.name.clone(), Str::from)
}

/// What there is beside Services and their slices.
struct Cluster<'a> {
    domain: &'a str,
    nodes: Nodes,
    /// Pods that somebody has deleted.
    ending: BTreeSet<NamespacedName>,
}

fn ending(set: &ResourceSet) -> BTreeSet<NamespacedName> {
    let ending = set.pods.iter().filter(|pod| pod.meta.is_ending);
    ending
        .map(|pod| NamespacedName {
            namespace: pod.meta.namespace.clone(),
            name: pod.meta.name.clone(),
        })
        .collect()
}

impl Cluster<'_> {
    /// Whether a pod ends and its slice does not say so yet. The slices are written by a controller,
    /// which after a failure of the API server may come seconds after the kubelet has ended the pod.
    fn is_ahead_of(&self, told: &k8s::SliceEndpoint, pod: &Workload) -> bool {
        told.conditions.terminating != Some(true) && self.ending.contains(&pod.name)
    }
}

fn add_slice(registry: &mut Registry, slice: &Resource<k8s::EndpointSlice>, cluster: &Cluster<'_>) {
    let namespace = &slice.meta.namespace;
    let service = slice
        .meta
        .labels
        .value(SERVICE_NAME_LABEL)
        .and_then(|name| service_host(name, namespace, cluster.domain).ok())
        .and_then(|host| registry.services.get_mut(&host));
    let Some(service) = service.filter(|_| slice.spec.address_type != AddressType::Fqdn) else {
        return;
    };
    for told in &slice.spec.endpoints {
        let Some((address, health)) = first_address(told).zip(health(told.conditions)) else {
            continue;
        };
        let pod = match pod_of(&registry.workloads, told, namespace, address) {
            Pod::Known(pod) if cluster.is_ahead_of(told, pod) => continue,
            Pod::Known(pod) => Some(pod.clone()),
            Pod::None => None,
            // It comes with the pod: without it neither identity nor labels are known.
            Pod::Awaited => continue,
        };
        let locality = match &pod {
            Some(pod) => pod.locality.clone(),
            None => cluster.nodes.of_endpoint(told),
        };
        for port in slice
            .spec
            .ports
            .iter()
            .filter(|p| p.protocol == Transport::Tcp)
        {
            let Some(number) = port.port else { continue };
            service.endpoints.push(RegisteredEndpoint {
                endpoint: Endpoint {
                    health,
                    locality: locality.clone(),
                    ..endpoint(SocketAddr::new(address, number), &port.name, pod.as_deref())
                },
                pod: pod.as_ref().map(|pod| pod.name.clone()),
            });
        }
    }
}

/// Kubernetes means the addresses of an endpoint to be interchangeable and uses the first.
fn first_address(told: &k8s::SliceEndpoint) -> Option<IpAddr> {
    told.addresses.first()?.parse().ok()
}

/// None for an endpoint that is about to end: it gets nothing new.
fn health(conditions: k8s::EndpointConditions) -> Option<Health> {
    if conditions.ready.unwrap_or(true) {
        return Some(Health::Healthy);
    }
    let terminating = conditions.terminating.unwrap_or(false);
    (!terminating).then_some(Health::Unhealthy)
}

enum Pod<'a> {
    Known(&'a Arc<Workload>),
    Awaited,
    None,
}

fn pod_of<'a>(
    workloads: &'a BTreeMap<NamespacedName, Arc<Workload>>,
    told: &k8s::SliceEndpoint,
    namespace: &Str,
    address: IpAddr,
) -> Pod<'a> {
    if let Some(target) = told.target_ref.as_ref().filter(|t| t.kind == "Pod") {
        let namespace = match target.namespace.as_str() {
            "" => namespace.clone(),
            other => other.into(),
        };
        let name = NamespacedName {
            namespace,
            name: target.name.as_str().into(),
        };
        return workloads.get(&name).map_or(Pod::Awaited, Pod::Known);
    }
    let mut all = workloads.values();
    all.find(|workload| workload.address == Some(address))
        .map_or(Pod::None, Pod::Known)
}

fn endpoint(address: SocketAddr, port_name: &str, pod: Option<&Workload>) -> Endpoint {
    let labels = pod.map(|pod| pod.labels.clone()).unwrap_or_default();
    let tls_mode = labels.value(TLS_MODE_LABEL);
    Endpoint {
        address,
        port_name: port_name.into(),
        service_account: pod.map(|pod| pod.service_account.clone()),
        mutual_tls: tls_mode.is_some_and(|mode| *mode == "istio"),
        health: Health::Healthy,
        locality: Locality::default(),
        workload: pod.map(|pod| NamespacedName {
            namespace: pod.name.namespace.clone(),
            name: pod.owner.clone(),
        }),
        canonical: canonical(&labels, pod.map(|pod| &pod.owner)),
        labels,
    }
}

/// istio: a label, whose dots stand for slashes; the second is the older one.
fn locality(labels: &Labels) -> Option<Locality> {
    let names = ["topology.istio.io/locality", "istio-locality"];
    let said = names.into_iter().find_map(|name| labels.value(name))?;
    let mut parts = said.splitn(3, ['.', '/']).map(Str::from);
    Some(Locality {
        region: parts.next().unwrap_or_default(),
        zone: parts.next().unwrap_or_default(),
        sub_zone: parts.next().unwrap_or_default(),
    })
}

/// Where nodes stand, by their names.
struct Nodes(BTreeMap<Str, Locality>);

impl Nodes {
    fn of(set: &ResourceSet) -> Self {
        let stand = |node: &Arc<Resource<k8s::Node>>| {
            let labels = &node.meta.labels;
            let first = |names: [&str; 2]| names.into_iter().find_map(|name| labels.value(name));
            let locality = Locality {
                region: first([
                    "topology.kubernetes.io/region",
                    "failure-domain.beta.kubernetes.io/region",
                ])
                .cloned()
                .unwrap_or_default(),
                zone: first([
                    "topology.kubernetes.io/zone",
                    "failure-domain.beta.kubernetes.io/zone",
                ])
                .cloned()
                .unwrap_or_default(),
                sub_zone: labels
                    .value("topology.istio.io/subzone")
                    .cloned()
                    .unwrap_or_default(),
            };
            (node.meta.name.clone(), locality)
        };
        Self(set.nodes.iter().map(stand).collect())
    }

    fn locality(&self, node: Option<&str>) -> Option<Locality> {
        self.0.get(node?).cloned()
    }

    /// What is behind no pod says itself on which node or in which zone it is.
    fn of_endpoint(&self, told: &k8s::SliceEndpoint) -> Locality {
        let of_node = self.locality(told.node_name.as_deref());
        of_node.unwrap_or_else(|| Locality {
            zone: told.zone.as_deref().unwrap_or_default().into(),
            ..Locality::default()
        })
    }
}

/// istio: the canonical service and revision, by which telemetry groups workloads.
fn canonical(labels: &Labels, owner: Option<&Str>) -> (Str, Str) {
    let first = |names: [&str; 3]| names.into_iter().find_map(|name| labels.value(name));
    let service = first([
        "service.istio.io/canonical-name",
        "app.kubernetes.io/name",
        "app",
    ]);
    let revision = first([
        "service.istio.io/canonical-revision",
        "app.kubernetes.io/version",
        "version",
    ]);
    (
        service.or(owner).cloned().unwrap_or_default(),
        revision.cloned().unwrap_or_else(|| "latest".into()),
    )
}

#[cfg(test)]
mod tests;
