//! `/clusters`: every cluster with its hosts, as text or JSON.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use mesh_runtime::admin::{Page, Query};
use mesh_traffic::breaker::Resource;
use mesh_traffic::{Cluster, Config, Endpoint};
use serde_json::{Value, json};

use crate::admin::Sources;
use crate::admin::config_dump::{address, health};

pub(super) fn page(sources: &Sources, query: &Query) -> Page {
    let config = sources.live.current();
    let clusters: BTreeMap<_, _> = config.clusters.iter().collect();
    if query.get("format").is_some_and(|format| format == "json") {
        let statuses: Vec<_> = clusters.values().map(|c| status(&config, c)).collect();
        return Page::json(&json!({ "cluster_statuses": statuses }));
    }
    let mut out = String::new();
    for cluster in clusters.values() {
        // Writing to a string does not fail.
        let _always = text(&mut out, &config, cluster);
    }
    Page::text(200, out)
}

fn hosts<'c>(config: &'c Config, cluster: &'c Arc<Cluster>) -> &'c [Endpoint] {
    config
        .endpoints_of(cluster)
        .map_or(&[], |endpoints| &endpoints.all)
}

/// Envoy's lines `cluster::host::field::value`.
fn text(out: &mut String, config: &Config, cluster: &Arc<Cluster>) -> std::fmt::Result {
    let name = &cluster.name;
    writeln!(out, "{name}::observability_name::{name}")?;
    for (bound, resource) in [
        ("max_connections", Resource::Connections),
        ("max_pending_requests", Resource::Pending),
        ("max_requests", Resource::Requests),
        ("max_retries", Resource::Retries),
    ] {
        let most = most(cluster, resource);
        writeln!(out, "{name}::default_priority::{bound}::{most}")?;
    }
    writeln!(out, "{name}::added_via_api::true")?;
    for host in hosts(config, cluster) {
        let at = host.address;
        let eds = match health(host) {
            "HEALTHY" => "",
            "DEGRADED" => "/degraded_eds_health",
            _ => "/failed_eds_health",
        };
        let outlier = match is_ejected(cluster, host) {
            true => "/failed_outlier_check",
            false => "",
        };
        let flags = match (outlier, eds) {
            ("", "") => "healthy".to_owned(),
            both => format!("{}{}", both.0, both.1),
        };
        let locality = &host.locality;
        writeln!(
            out,
            "{name}::{at}::hostname::{}",
            host.hostname.as_deref().unwrap_or_default()
        )?;
        writeln!(out, "{name}::{at}::health_flags::{flags}")?;
        writeln!(out, "{name}::{at}::weight::{}", host.weight)?;
        writeln!(out, "{name}::{at}::region::{}", locality.region)?;
        writeln!(out, "{name}::{at}::zone::{}", locality.zone)?;
        writeln!(out, "{name}::{at}::sub_zone::{}", locality.sub_zone)?;
        writeln!(out, "{name}::{at}::canary::false")?;
        writeln!(out, "{name}::{at}::priority::{}", host.priority)?;
    }
    Ok(())
}

fn is_ejected(cluster: &Cluster, host: &Endpoint) -> bool {
    let detector = cluster.detector.as_ref();
    detector.is_some_and(|detector| detector.is_ejected(host.address))
}

/// Envoy says only what is wrong.
fn health_status(cluster: &Cluster, host: &Endpoint) -> Value {
    match is_ejected(cluster, host) {
        true => json!({ "eds_health_status": health(host), "failed_outlier_check": true }),
        false => json!({ "eds_health_status": health(host) }),
    }
}

/// A bound of the cluster.
fn most(cluster: &Cluster, resource: Resource) -> u32 {
    let breaker = cluster.breaker.as_ref();
    breaker.map_or(u32::MAX, |breaker| breaker.most(resource))
}

fn status(config: &Config, cluster: &Arc<Cluster>) -> Value {
    let most = |resource| most(cluster, resource);
    let host = |host: &Endpoint| {
        json!({
            "address": address(host.address),
            "hostname": host.hostname.as_deref(),
            "health_status": health_status(cluster, host),
            "weight": host.weight,
            "priority": host.priority,
            "locality": {
                "region": &*host.locality.region,
                "zone": &*host.locality.zone,
                "sub_zone": &*host.locality.sub_zone,
            },
        })
    };
    json!({
        "name": &*cluster.name,
        "observability_name": &*cluster.name,
        "added_via_api": true,
        "circuit_breakers": { "thresholds": [{
            "max_connections": most(Resource::Connections),
            "max_pending_requests": most(Resource::Pending),
            "max_requests": most(Resource::Requests),
            "max_retries": most(Resource::Retries),
        }] },
        "host_statuses": hosts(config, cluster).iter().map(host).collect::<Vec<_>>(),
    })
}
