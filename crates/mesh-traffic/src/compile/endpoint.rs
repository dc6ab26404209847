//! `ClusterLoadAssignment` to [`Endpoints`].

use std::collections::BTreeMap;
use std::sync::Arc;

use mesh_model::service::{Health, Locality};
use mesh_proto::envoy::envoy::config::core::v3 as core;
use mesh_proto::envoy::envoy::config::core::v3::HealthStatus;
use mesh_proto::envoy::envoy::config::endpoint::v3 as pb;
use mesh_proto::envoy::envoy::config::endpoint::v3::cluster_load_assignment::Policy;
use mesh_proto::envoy::envoy::config::endpoint::v3::endpoint::HealthCheckConfig;
use mesh_proto::envoy::envoy::config::endpoint::v3::lb_endpoint::HostIdentifier;

use super::common::{address, metadata_text, number, port_number, scalars, text};
use crate::endpoint::{Endpoint, Endpoints, LocalityWeight, ProbeTerms, Probing, Terms};
use crate::reject::{At, Compiled, Fault};

/// Highest priority number (Envoy's bound).
const MAX_PRIORITY: u32 = 128;

pub(crate) fn compile(pb: &pb::ClusterLoadAssignment) -> Compiled<Endpoints> {
    if !pb.named_endpoints.is_empty() {
        return Err(Fault::unsupported("named_endpoints"));
    }
    let terms = pb.policy.as_ref().map(terms).transpose().at("policy")?;
    let mut terms = terms.unwrap_or_default();
    let mut all = Vec::new();
    for (index, group) in pb.endpoints.iter().enumerate() {
        locality(group, &mut terms, &mut all).at_index("endpoints", index)?;
    }
    bounded(&terms.localities)?;
    Ok(Endpoints::on_terms(
        pb.cluster_name.as_str().into(),
        all,
        terms,
    ))
}

fn terms(pb: &Policy) -> Compiled<Terms> {
    let features = [
        (!pb.drop_overloads.is_empty(), "drop_overloads"),
        (pb.endpoint_stale_after.is_some(), "endpoint_stale_after"),
    ];
    if let Some((_, field)) = features.iter().find(|(asked, _)| *asked) {
        return Err(Fault::unsupported(*field));
    }
    let default = Terms::default();
    let overprovisioning = number(pb.overprovisioning_factor.as_ref());
    if overprovisioning == Some(0) {
        return Err(Fault::new("overprovisioning_factor", "is nought"));
    }
    Ok(Terms {
        overprovisioning: overprovisioning.unwrap_or(default.overprovisioning),
        by_weight: pb.weighted_priority_health,
        ..default
    })
}

/// Weights of localities with one priority must not sum up to more than a number of 32 bits, as in Envoy.
fn bounded(localities: &[LocalityWeight]) -> Compiled<()> {
    let mut sums: BTreeMap<u32, u32> = BTreeMap::new();
    for one in localities {
        let sum = sums.entry(one.priority).or_default();
        *sum = sum.checked_add(one.weight).ok_or_else(|| {
            let why = format!(
                "the weights of priority {} sum up to too much",
                one.priority
            );
            Fault::new("endpoints", why)
        })?;
    }
    Ok(())
}

fn locality(
    pb: &pb::LocalityLbEndpoints,
    terms: &mut Terms,
    all: &mut Vec<Endpoint>,
) -> Compiled<()> {
    if pb.lb_config.is_some() {
        return Err(Fault::unsupported("lb_config"));
    }
    if pb.priority > MAX_PRIORITY {
        return Err(Fault::new("priority", format!("is above {MAX_PRIORITY}")));
    }
    let place = Arc::new(place(pb.locality.as_ref()));
    if let Some(weight) = number(pb.load_balancing_weight.as_ref()) {
        terms.localities.push(LocalityWeight {
            priority: pb.priority,
            locality: place.clone(),
            weight,
        });
    }
    for (index, endpoint) in pb.lb_endpoints.iter().enumerate() {
        let compiled = self::endpoint(endpoint, pb.priority, &place);
        all.push(compiled.at_index("lb_endpoints", index)?);
    }
    Ok(())
}

fn place(pb: Option<&core::Locality>) -> Locality {
    pb.map_or_else(Locality::default, |pb| Locality {
        region: pb.region.as_str().into(),
        zone: pb.zone.as_str().into(),
        sub_zone: pb.sub_zone.as_str().into(),
    })
}

fn endpoint(pb: &pb::LbEndpoint, priority: u32, place: &Arc<Locality>) -> Compiled<Endpoint> {
    let inner = match &pb.host_identifier {
        Some(HostIdentifier::Endpoint(inner)) => inner,
        Some(HostIdentifier::EndpointName(_)) => return Err(Fault::unsupported("endpoint_name")),
        None => return Err(Fault::missing("endpoint")),
    };
    let metadata = pb.metadata.as_ref();
    let probing = inner.health_check_config.as_ref();
    let probing = probing.map(probing_of).transpose();
    let tags = metadata.and_then(|m| m.filter_metadata.get("envoy.transport_socket_match"));
    Ok(Endpoint {
        address: address(inner.address.as_ref()).at("endpoint")?,
        // Envoy refuses a weight of zero; a control plane that means "none" leaves the endpoint out.
        weight: number(pb.load_balancing_weight.as_ref())
            .unwrap_or(1)
            .max(1),
        health: health(pb.health_status),
        priority,
        locality: place.clone(),
        hostname: text(&inner.hostname),
        transport_match: tags.map(scalars).unwrap_or_default(),
        workload: metadata_text(metadata, "istio", "workload"),
        probing: probing
            .at("endpoint.health_check_config")?
            .unwrap_or_default(),
    })
}

/// How an endpoint is probed.
fn probing_of(pb: &HealthCheckConfig) -> Compiled<Probing> {
    let terms = ProbeTerms {
        port: match pb.port_value {
            0 => None,
            port => Some(port_number("port_value", port)?),
        },
        hostname: text(&pb.hostname),
        address: pb
            .address
            .as_ref()
            .map(|given| address(Some(given)))
            .transpose()?,
        off: pb.disable_active_health_check,
    };
    let said = terms != ProbeTerms::default();
    Ok(Probing {
        terms: said.then(|| Arc::new(terms)),
        excluded: false,
    })
}

fn health(status: i32) -> Health {
    match HealthStatus::try_from(status) {
        // Unknown is what endpoints are without health checks.
        Ok(HealthStatus::Unknown | HealthStatus::Healthy) => Health::Healthy,
        Ok(HealthStatus::Degraded) => Health::Degraded,
        Ok(HealthStatus::Draining) => Health::Draining,
        Ok(HealthStatus::Unhealthy | HealthStatus::Timeout) | Err(_) => Health::Unhealthy,
    }
}
