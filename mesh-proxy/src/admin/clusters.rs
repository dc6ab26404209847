//! `/clusters`: every cluster with its hosts, as text or JSON.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use mesh_runtime::admin::{Page, Query};
use mesh_traffic::breaker::Resource;
use mesh_traffic::health::Flags;
use mesh_traffic::{Cluster, Config, Endpoint};
use serde_json::{Map, Value, json};

use crate::admin::Sources;
use crate::admin::config_dump::{address, word};

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
        let flags = flags(cluster, host);
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

/// What its health check knows of an endpoint, if it is probed.
fn checked(cluster: &Cluster, host: &Endpoint) -> Option<Flags> {
    cluster.checker.as_ref()?.flags(host.address)
}

/// What discovery says of it.
fn discovered(host: &Endpoint, checked: Option<&Flags>) -> &'static str {
    word(checked.map_or(host.health, |flags| flags.discovered))
}

/// All that is wrong with it, in Envoy's order.
fn flags(cluster: &Cluster, host: &Endpoint) -> String {
    let checked = checked(cluster, host);
    let is = |flag: fn(&Flags) -> bool| checked.as_ref().is_some_and(flag);
    let eds = discovered(host, checked.as_ref());
    let all = [
        (is(|flags| flags.failed), "/failed_active_hc"),
        (is_ejected(cluster, host), "/failed_outlier_check"),
        (!matches!(eds, "HEALTHY" | "DEGRADED"), "/failed_eds_health"),
        (is(|flags| flags.degraded), "/degraded_active_hc"),
        (eds == "DEGRADED", "/degraded_eds_health"),
        (is(|flags| flags.removed), "/pending_dynamic_removal"),
        (is_new(cluster, checked.as_ref()), "/pending_active_hc"),
        (
            is(|flags| flags.excluded),
            "/excluded_via_immediate_hc_fail",
        ),
        (is(|flags| flags.timed_out), "/active_hc_timeout"),
    ];
    let set = all.iter().filter(|(is_set, _)| *is_set);
    let text: String = set.map(|(_, flag)| *flag).collect();
    match text.is_empty() {
        true => "healthy".to_owned(),
        false => text,
    }
}

/// Whether it does not count before its first probe, as its cluster wants.
fn is_new(cluster: &Cluster, checked: Option<&Flags>) -> bool {
    let checker = cluster.checker.as_ref();
    let ignores = checker.is_some_and(|checker| checker.check().ignores_new);
    ignores && checked.is_some_and(|flags| flags.pending)
}

/// Envoy says only what is wrong.
fn health_status(cluster: &Cluster, host: &Endpoint) -> Value {
    let checked = checked(cluster, host);
    let is = |flag: fn(&Flags) -> bool| checked.as_ref().is_some_and(flag);
    let mut status = Map::new();
    let eds = discovered(host, checked.as_ref());
    status.insert("eds_health_status".to_owned(), eds.into());
    for (is_set, field) in [
        (is(|flags| flags.failed), "failed_active_health_check"),
        (is_ejected(cluster, host), "failed_outlier_check"),
        (is(|flags| flags.degraded), "failed_active_degraded_check"),
        (is(|flags| flags.removed), "pending_dynamic_removal"),
        (is_new(cluster, checked.as_ref()), "pending_active_hc"),
        (is(|flags| flags.excluded), "excluded_via_immediate_hc_fail"),
        (is(|flags| flags.timed_out), "active_hc_timeout"),
    ] {
        if is_set {
            status.insert(field.to_owned(), true.into());
        }
    }
    status.into()
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
