//! `/clusters`: every cluster with its hosts, as text or JSON.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use mesh_runtime::admin::{Page, Query};
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
    let (name, limits) = (&cluster.name, cluster.limits);
    writeln!(out, "{name}::observability_name::{name}")?;
    writeln!(
        out,
        "{name}::default_priority::max_connections::{}",
        limits.connections
    )?;
    writeln!(
        out,
        "{name}::default_priority::max_pending_requests::{}",
        limits.pending
    )?;
    writeln!(
        out,
        "{name}::default_priority::max_requests::{}",
        limits.requests
    )?;
    writeln!(
        out,
        "{name}::default_priority::max_retries::{}",
        limits.retries
    )?;
    writeln!(out, "{name}::added_via_api::true")?;
    for host in hosts(config, cluster) {
        let at = host.address;
        let flags = match health(host) {
            "HEALTHY" => "healthy",
            _ => "/failed_eds_health",
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

fn status(config: &Config, cluster: &Arc<Cluster>) -> Value {
    let host = |host: &Endpoint| {
        json!({
            "address": address(host.address),
            "hostname": host.hostname.as_deref(),
            "health_status": { "eds_health_status": health(host) },
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
            "max_connections": cluster.limits.connections,
            "max_pending_requests": cluster.limits.pending,
            "max_requests": cluster.limits.requests,
            "max_retries": cluster.limits.retries,
        }] },
        "host_statuses": hosts(config, cluster).iter().map(host).collect::<Vec<_>>(),
    })
}
