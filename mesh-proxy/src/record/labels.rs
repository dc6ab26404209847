//! The labels of Istio's standard metrics for one request.

use mesh_model::Str;
use mesh_traffic::Cluster;
use mesh_traffic::listener::Direction;

use crate::record::Record;
use crate::record::peer::Side;

/// Value of labels of which nothing is known.
pub(crate) const UNKNOWN: &str = "unknown";
/// Value of a revision that is not named.
pub(crate) const LATEST: &str = "latest";

/// Names of the labels of request metrics, in the order of [`Labels`].
pub const NAMES: [&str; 25] = [
    "reporter",
    "source_workload",
    "source_canonical_service",
    "source_canonical_revision",
    "source_workload_namespace",
    "source_principal",
    "source_app",
    "source_version",
    "source_cluster",
    "destination_workload",
    "destination_workload_namespace",
    "destination_principal",
    "destination_app",
    "destination_version",
    "destination_service",
    "destination_canonical_service",
    "destination_canonical_revision",
    "destination_service_name",
    "destination_service_namespace",
    "destination_cluster",
    "request_protocol",
    "response_code",
    "grpc_response_status",
    "response_flags",
    "connection_security_policy",
];

/// Values in the order of [`NAMES`].
pub type Labels = [Str; NAMES.len()];

/// Whether the labels depend on the request's authority, which a client chooses freely.
pub(crate) fn depend_on_authority(record: &Record<'_>) -> bool {
    record.connection.direction() == Direction::Outbound
        && record
            .cluster
            .is_none_or(|cluster| service(cluster).is_none())
}

/// The labels of a request between us and a peer.
pub(crate) fn of(record: &Record<'_>, own: &Side, peer: &Side) -> Labels {
    let inbound = record.connection.direction() == Direction::Inbound;
    let (source, destination) = if inbound { (peer, own) } else { (own, peer) };
    let (source_principal, destination_principal) = principals(record, inbound);
    let destination_service = destination_service(record, destination);
    let grpc = record.request.is_grpc();
    let security = match (inbound, &record.connection.peer) {
        (true, Some(_)) => "mutual_tls",
        (true, None) => "none",
        (false, _) => UNKNOWN,
    };
    [
        if inbound { "destination" } else { "source" }.into(),
        source.workload.clone(),
        source.canonical_service.clone(),
        source.canonical_revision.clone(),
        source.namespace.clone(),
        source_principal,
        source.app.clone(),
        source.version.clone(),
        source.cluster.clone(),
        destination.workload.clone(),
        destination.namespace.clone(),
        destination_principal,
        destination.app.clone(),
        destination.version.clone(),
        destination_service.host,
        destination.canonical_service.clone(),
        destination.canonical_revision.clone(),
        destination_service.name,
        destination_service.namespace,
        destination.cluster.clone(),
        if grpc { "grpc" } else { "http" }.into(),
        record.response.status.to_string().into(),
        grpc_status(record, grpc),
        record.response.flags.to_string().into(),
        security.into(),
    ]
}

/// The labels under which requests are counted when there are too many series: sums stay right.
pub(crate) fn overflow(labels: &Labels) -> Labels {
    let other: Str = "overflow".into();
    let mut index = 0;
    labels.clone().map(|value| {
        index += 1;
        if index == 1 { value } else { other.clone() }
    })
}

fn grpc_status(record: &Record<'_>, grpc: bool) -> Str {
    match record.response.grpc_status {
        Some(status) if grpc => status.to_string().into(),
        Some(_) | None => Str::default(),
    }
}

fn principals(record: &Record<'_>, inbound: bool) -> (Str, Str) {
    let unknown = || Str::from(UNKNOWN);
    let own = || {
        record
            .connection
            .own_identity
            .clone()
            .unwrap_or_else(unknown)
    };
    if inbound {
        return match &record.connection.peer {
            Some(peer) => (peer.text.clone(), own()),
            None => (unknown(), unknown()),
        };
    }
    match &record.upstream {
        Some(upstream) if upstream.mutual_tls => {
            (own(), upstream.identity.cloned().unwrap_or_else(unknown))
        }
        Some(_) | None => (unknown(), unknown()),
    }
}

struct Service {
    host: Str,
    name: Str,
    namespace: Str,
}

/// The service that was called. It is the cluster's, never the Host header's, except for requests
/// that a sidecar sends out and for which the configuration has no service.
fn destination_service(record: &Record<'_>, destination: &Side) -> Service {
    let cluster = record.cluster.map(|cluster| &**cluster);
    if let Some(service) = cluster.and_then(service) {
        return service;
    }
    let outbound = record.connection.direction() == Direction::Outbound;
    let host: Str = match record.request.host() {
        host if outbound && !host.is_empty() => host.to_ascii_lowercase().into(),
        _ => UNKNOWN.into(),
    };
    // PassthroughCluster, BlackHoleCluster and their like stand for themselves.
    let special = cluster
        .map(|cluster| &cluster.name)
        .filter(|name| !name.contains('|'));
    let name = match special {
        Some(name) => name.clone(),
        None if outbound => host.clone(),
        None => destination.canonical_service.clone(),
    };
    Service {
        host,
        name,
        namespace: destination.namespace.clone(),
    }
}

/// The service of a cluster, by its metadata or by its name `outbound|port|subset|host`.
fn service(cluster: &Cluster) -> Option<Service> {
    if let Some(names) = &cluster.service {
        return Some(Service {
            host: names.host.clone(),
            name: names.name.clone(),
            namespace: names.namespace.clone(),
        });
    }
    let mut parts = cluster.name.split('|');
    let host = match parts.next() {
        Some("outbound") => parts.nth(2)?,
        Some("inbound") => parts.nth(2).filter(|host| !host.is_empty())?,
        _ => return None,
    };
    let mut names = host.split('.');
    let (name, namespace, svc) = (names.next(), names.next(), names.next());
    let (name, namespace) = match (name, namespace, svc) {
        (Some(name), Some(namespace), Some("svc")) => (name, namespace),
        _ => (host, UNKNOWN),
    };
    Some(Service {
        host: host.into(),
        name: name.into(),
        namespace: namespace.into(),
    })
}

#[cfg(test)]
mod tests;
