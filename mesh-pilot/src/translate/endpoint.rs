//! Endpoints per cluster, grouped by where they run.

use std::collections::BTreeMap;

use mesh_model::service::{Endpoint, Health, ServicePort};
use mesh_proto::envoy::envoy::config::core::v3 as core;
use mesh_proto::envoy::envoy::config::endpoint::v3 as proto;

use super::locality::{self, Group};
use super::{message, names};
use crate::snapshot::rules::SubsetPolicy;
use crate::snapshot::view::{View, VisibleService};

/// Adds the endpoints of every cluster of `service`.
pub(super) fn assignments(
    view: &View,
    service: &VisibleService,
    out: &mut BTreeMap<String, proto::ClusterLoadAssignment>,
) {
    let host = service.service.hostname.as_str();
    let subsets = service.policy.iter().flat_map(|policy| &policy.subsets);
    for port in service.tcp_ports() {
        let whole = names::outbound_cluster(port.port, "", host);
        let made = assignment(view, service, port, None, whole);
        out.insert(made.cluster_name.clone(), made);
        for subset in subsets.clone() {
            let name = names::outbound_cluster(port.port, &subset.name, host);
            let made = assignment(view, service, port, Some(subset), name);
            out.insert(made.cluster_name.clone(), made);
        }
    }
}

fn assignment(
    view: &View,
    service: &VisibleService,
    port: &ServicePort,
    subset: Option<&SubsetPolicy>,
    cluster_name: String,
) -> proto::ClusterLoadAssignment {
    let chosen = service
        .endpoints
        .iter()
        .filter(|e| e.port_name == port.name)
        .filter(|e| subset.is_none_or(|s| e.labels.contain(&s.labels)));
    let policy = service.policy.as_ref();
    let blocks = policy.map(|policy| policy.blocks_for(subset, port.port));
    let groups = locality::groups(view, &blocks.unwrap_or_default(), chosen);
    proto::ClusterLoadAssignment {
        cluster_name,
        endpoints: groups.iter().map(|group| of_group(view, group)).collect(),
        ..Default::default()
    }
}

fn of_group(view: &View, group: &Group<'_>) -> proto::LocalityLbEndpoints {
    let endpoints = group.endpoints.iter();
    proto::LocalityLbEndpoints {
        locality: Some(core::Locality {
            region: group.locality.region.to_string(),
            zone: group.locality.zone.to_string(),
            sub_zone: group.locality.sub_zone.to_string(),
        }),
        load_balancing_weight: message::number(group.weight),
        lb_endpoints: endpoints.map(|one| lb_endpoint(view, one)).collect(),
        priority: group.priority,
        ..Default::default()
    }
}

fn lb_endpoint(view: &View, endpoint: &Endpoint) -> proto::LbEndpoint {
    let health = match endpoint.health {
        Health::Healthy => core::HealthStatus::Healthy,
        Health::Degraded => core::HealthStatus::Degraded,
        Health::Unhealthy => core::HealthStatus::Unhealthy,
        Health::Draining => core::HealthStatus::Draining,
    };
    proto::LbEndpoint {
        health_status: health.into(),
        metadata: Some(endpoint_metadata(view, endpoint)),
        load_balancing_weight: message::number(1),
        host_identifier: Some(proto::lb_endpoint::HostIdentifier::Endpoint(
            proto::Endpoint {
                address: Some(message::address(endpoint.address)),
                ..Default::default()
            },
        )),
    }
}

/// Who the endpoint is, for telemetry, and what it accepts, for the choice of transport.
fn endpoint_metadata(view: &View, endpoint: &Endpoint) -> core::Metadata {
    let mut metadata = core::Metadata::default();
    if let Some(workload) = &endpoint.workload {
        let (service, revision) = &endpoint.canonical;
        let identity = format!(
            "{};{};{service};{revision};{}",
            workload.name, workload.namespace, view.mesh.cluster_id
        );
        let fields = message::structure([("workload", message::text(identity))]);
        metadata.filter_metadata.insert("istio".into(), fields);
    }
    if endpoint.mutual_tls {
        let fields = message::structure([("tlsMode", message::text("istio"))]);
        let key = "envoy.transport_socket_match".to_owned();
        metadata.filter_metadata.insert(key, fields);
    }
    metadata
}
