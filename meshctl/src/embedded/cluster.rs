//! The plan as the objects Kubernetes would hold: what pilot reads from `cluster/`. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use mesh_api::kubernetes::{PortOrName, SERVICE_NAME_LABEL, ServicePort, Transport};
use mesh_api::{Object, decode};
use mesh_model::labels::Labels;
use serde_json::{Map, Value, json};

use super::addresses::ServiceNumber;
use super::manifests::ServiceManifest;
use super::plan::{INGRESS, Layout, Plan, ROOT_NAMESPACE, Workload, ingress, selects, target};

/// The annotation that says where a proxy listens when traffic is not captured.
const LISTENERS: &str = "mesh/listeners";

/// How far a replica is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PodState {
    /// Does not run, or not yet as it should.
    Unready,
    /// Takes requests.
    Ready,
    /// Finishes what it has and takes nothing new.
    Draining,
}

/// A file of `cluster/`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ClusterFile {
    /// Its name in the folder.
    pub(crate) name: String,
    /// Its object.
    pub(crate) object: Value,
}

/// Objects that do not change while the mesh runs.
pub(crate) fn fixed(plan: &Plan) -> Vec<ClusterFile> {
    let mut objects: Vec<Value> = plan.declared.clone();
    let services = plan.services.iter().enumerate();
    objects.extend(services.map(|(index, service)| service_object(plan, index, service)));
    objects.push(ingress_service(plan));
    objects.extend(missing_namespaces(plan));
    objects.extend(missing_accounts(plan));
    objects.into_iter().map(file).collect()
}

/// Objects that follow the state of the replicas, `states` in the order of the plan's workloads.
pub(crate) fn moving(plan: &Plan, states: &[PodState], ingress: PodState) -> Vec<ClusterFile> {
    let workloads = || plan.workloads.iter().zip(states.iter().copied());
    let mut objects: Vec<Value> = workloads().map(|(w, state)| pod(plan, w, state)).collect();
    objects.push(ingress_pod(plan, ingress));
    objects.push(ingress_slice(plan, ingress));
    for service in &plan.services {
        objects.extend(slices(plan, service, workloads()));
    }
    objects.into_iter().map(file).collect()
}

/// All objects of a plan as a reader of `cluster/` decodes them.
pub(crate) fn decoded(plan: &Plan) -> Vec<Object> {
    let states = vec![PodState::Unready; plan.workloads.len()];
    let files = fixed(plan)
        .into_iter()
        .chain(moving(plan, &states, PodState::Unready));
    // JSON is YAML.
    files
        .flat_map(|file| decode::objects(&file.name, &file.object.to_string()).0)
        .collect()
}

fn file(object: Value) -> ClusterFile {
    let text = |pointer: &str| {
        object
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let (kind, namespace, name) = (
        text("/kind"),
        text("/metadata/namespace"),
        text("/metadata/name"),
    );
    ClusterFile {
        name: super::state_dir::object_file(kind, namespace, name),
        object,
    }
}

/// A service as it was written; in a mesh of namespaces with the address by which it is called.
fn service_object(plan: &Plan, index: usize, service: &ServiceManifest) -> Value {
    let mut object = service.object.value.clone();
    let address = cluster_ip(plan, index, service);
    if let (Some(address), Some(Value::Object(spec))) = (address, object.get_mut("spec")) {
        spec.insert("clusterIP".to_owned(), address.to_string().into());
        spec.insert("clusterIPs".to_owned(), json!([address.to_string()]));
    }
    object
}

/// The address of a service in a mesh of namespaces; headless ones and names for others have none.
pub(crate) fn cluster_ip(plan: &Plan, index: usize, service: &ServiceManifest) -> Option<Ipv4Addr> {
    let says = |member: &str, word: &str| {
        let spec = service.object.value.get("spec");
        spec.and_then(|spec| spec.get(member)) == Some(&word.into())
    };
    let none = says("clusterIP", "None") || says("type", "ExternalName");
    if plan.layout == Layout::Loopback || none {
        return None;
    }
    Some(ServiceNumber::of(index).ok()?.cluster_ip())
}

fn pod(plan: &Plan, workload: &Workload, state: PodState) -> Value {
    let labels = with_workload_name(&workload.labels, &workload.deployment);
    let labels = labels.chain([("security.istio.io/tlsMode", "istio")]);
    let mut annotations = workload.annotations.clone();
    // Where connections are captured, a sidecar listens where every captured one does.
    if plan.layout == Layout::Loopback {
        annotations.insert(LISTENERS.to_owned(), listeners(workload).to_string());
    }
    let containers: Vec<Value> = workload
        .containers
        .iter()
        .enumerate()
        .map(|(index, (name, image))| json!({"name": name, "image": image, "ports": container_ports(workload, index)}))
        .collect();
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": workload.pod,
            "namespace": workload.namespace,
            "labels": object_of(labels),
            "annotations": annotations,
        },
        "spec": {"serviceAccountName": workload.account, "containers": containers},
        "status": status(workload.ip, state),
    })
}

fn with_workload_name<'a>(
    labels: &'a Labels,
    workload: &'a str,
) -> impl Iterator<Item = (&'a str, &'a str)> {
    let own = labels
        .0
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()));
    own.chain([("service.istio.io/workload-name", workload)])
}

fn pairs(labels: &Labels) -> Value {
    object_of(
        labels
            .0
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str())),
    )
}

fn object_of<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Value {
    pairs
        .map(|(key, value)| (key.to_owned(), Value::from(value)))
        .collect::<Map<_, _>>()
        .into()
}

fn container_ports(workload: &Workload, container: usize) -> Vec<Value> {
    let own = workload
        .ports
        .iter()
        .filter(|port| port.container == container);
    own.map(|port| {
        let mut entry = Map::new();
        if !port.name.is_empty() {
            entry.insert("name".to_owned(), json!(port.name));
        }
        entry.insert("containerPort".to_owned(), json!(port.container_port));
        entry.insert("protocol".to_owned(), json!("TCP"));
        Value::Object(entry)
    })
    .collect()
}

fn status(ip: Ipv4Addr, state: PodState) -> Value {
    let ready = if state == PodState::Ready {
        "True"
    } else {
        "False"
    };
    json!({
        "phase": "Running",
        "podIP": ip.to_string(),
        "podIPs": [{"ip": ip.to_string()}],
        "conditions": [{"type": "Ready", "status": ready}],
    })
}

fn listeners(workload: &Workload) -> Value {
    let inbound: BTreeMap<String, Value> = workload
        .ports
        .iter()
        .map(|port| {
            (
                port.container_port.to_string(),
                json!({"bind": port.bind, "app": port.app}),
            )
        })
        .collect();
    let outbound: BTreeMap<&String, String> = workload
        .outbound
        .iter()
        .map(|(host, address)| (host, address.to_string()))
        .collect();
    json!({
        "inbound": inbound,
        "outbound": outbound,
        "httpProxy": format!("{}:{}", workload.ip, super::addresses::HTTP_PROXY),
    })
}

/// The slices of a service: one for each set of ports that its pods have.
fn slices<'a>(
    plan: &Plan,
    service: &ServiceManifest,
    workloads: impl Iterator<Item = (&'a Workload, PodState)>,
) -> Vec<Value> {
    let key = &service.object.key;
    let mut groups: BTreeMap<Vec<(String, u16)>, Vec<Value>> = BTreeMap::new();
    for (workload, state) in workloads {
        if workload.namespace == key.namespace.as_str()
            && selects(&service.spec.selector, &workload.labels)
        {
            let ports = resolved(plan, service, workload);
            groups.entry(ports).or_default().push(endpoint(
                workload.ip,
                &workload.pod,
                &workload.namespace,
                state,
            ));
        }
    }
    // A service without pods has an empty slice, so that a reader sees it is known.
    if groups.is_empty() {
        groups.insert(Vec::new(), Vec::new());
    }
    groups
        .into_iter()
        .enumerate()
        .map(|(number, (ports, endpoints))| {
            slice(
                &format!("{}-{}", key.name, number + 1),
                &key.namespace,
                &key.name,
                &ports,
                endpoints,
            )
        })
        .collect()
}

/// The ports behind a service's ports on one workload, as they are bound.
fn resolved(plan: &Plan, service: &ServiceManifest, workload: &Workload) -> Vec<(String, u16)> {
    let ports = service
        .spec
        .ports
        .iter()
        .filter(|port| port.protocol == Transport::Tcp);
    ports
        .filter_map(|port| {
            Some((
                port.name.clone(),
                match plan.layout {
                    Layout::Loopback => plan.low_ports.place(resolve(port, workload)?),
                    Layout::Namespaces => resolve(port, workload)?,
                },
            ))
        })
        .collect()
}

fn resolve(port: &ServicePort, workload: &Workload) -> Option<u16> {
    match target(port) {
        PortOrName::Number(number) => Some(number),
        PortOrName::Name(name) => workload
            .ports
            .iter()
            .find(|own| own.name == name)
            .map(|own| own.container_port),
    }
}

fn endpoint(ip: Ipv4Addr, pod: &str, namespace: &str, state: PodState) -> Value {
    let (ready, serving, terminating) = match state {
        PodState::Ready => (true, true, false),
        PodState::Draining => (false, true, true),
        PodState::Unready => (false, false, false),
    };
    json!({
        "addresses": [ip.to_string()],
        "conditions": {"ready": ready, "serving": serving, "terminating": terminating},
        "targetRef": {"kind": "Pod", "name": pod, "namespace": namespace},
    })
}

fn slice(
    name: &str,
    namespace: &str,
    service: &str,
    ports: &[(String, u16)],
    endpoints: Vec<Value>,
) -> Value {
    let ports: Vec<Value> = ports
        .iter()
        .map(|(name, port)| json!({"name": name, "port": port, "protocol": "TCP"}))
        .collect();
    json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {SERVICE_NAME_LABEL: service},
        },
        "addressType": "IPv4",
        "ports": ports,
        "endpoints": endpoints,
    })
}

fn ingress_service(plan: &Plan) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": INGRESS, "namespace": ROOT_NAMESPACE, "labels": pairs(&ingress::labels())},
        "spec": {
            "type": "LoadBalancer",
            "selector": pairs(&ingress::labels()),
            "ports": [{"name": "http2", "port": 80, "targetPort": plan.ingress_port, "protocol": "TCP"}],
        },
    })
}

fn ingress_pod(plan: &Plan, state: PodState) -> Value {
    let labels = ingress::labels();
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": ingress::pod(),
            "namespace": ROOT_NAMESPACE,
            "labels": object_of(with_workload_name(&labels, INGRESS)),
            "annotations": {LISTENERS: json!({"gateway": Ipv4Addr::LOCALHOST}).to_string()},
        },
        "spec": {
            "serviceAccountName": ingress::ACCOUNT,
            "containers": [{
                "name": "istio-proxy",
                "ports": [{"name": "http2", "containerPort": plan.ingress_port, "protocol": "TCP"}],
            }],
        },
        "status": status(plan.network.ingress(), state),
    })
}

fn ingress_slice(plan: &Plan, state: PodState) -> Value {
    let ports = [("http2".to_owned(), plan.ingress_port)];
    // The gateway's pod has an address of its own, but serves on that of the machine.
    let endpoint = endpoint(Ipv4Addr::LOCALHOST, &ingress::pod(), ROOT_NAMESPACE, state);
    slice(
        &format!("{INGRESS}-1"),
        ROOT_NAMESPACE,
        INGRESS,
        &ports,
        vec![endpoint],
    )
}

fn missing_namespaces(plan: &Plan) -> impl Iterator<Item = Value> {
    let declared = names(plan, "Namespace");
    let services = plan
        .services
        .iter()
        .map(|service| service.object.key.namespace.to_string());
    let workloads = plan
        .workloads
        .iter()
        .map(|workload| workload.namespace.clone());
    let always = ["default", ROOT_NAMESPACE].map(ToOwned::to_owned);
    let used: BTreeSet<String> = always
        .into_iter()
        .chain(services)
        .chain(workloads)
        .collect();
    let missing = used
        .into_iter()
        .filter(move |name| !declared.contains(&(String::new(), name.clone())));
    missing.map(|name| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}))
}

fn missing_accounts(plan: &Plan) -> impl Iterator<Item = Value> {
    let declared = names(plan, "ServiceAccount");
    let own = (ROOT_NAMESPACE.to_owned(), ingress::ACCOUNT.to_owned());
    let workloads = plan
        .workloads
        .iter()
        .map(|w| (w.namespace.clone(), w.account.clone()));
    let used: BTreeSet<(String, String)> = workloads.chain([own]).collect();
    let missing = used.into_iter().filter(move |key| !declared.contains(key));
    missing.map(|(namespace, name)| {
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}})
    })
}

/// Namespace and name of the declared objects of a kind.
fn names(plan: &Plan, kind: &str) -> BTreeSet<(String, String)> {
    let of_kind = plan
        .declared
        .iter()
        .filter(|object| object.get("kind").is_some_and(|k| k == kind));
    let text = |object: &Value, pointer: &str| {
        object
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let namespace = |object: &Value| match kind {
        "Namespace" => String::new(),
        _ => text(object, "/metadata/namespace"),
    };
    of_kind
        .map(|object| (namespace(object), text(object, "/metadata/name")))
        .collect()
}

#[cfg(test)]
mod tests;
