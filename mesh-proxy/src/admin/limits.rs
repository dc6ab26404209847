//! What rate limits count, for `/stats` and `/stats/prometheus`; of listeners and routes that have them.

use std::collections::BTreeMap;

use mesh_model::Str;
use mesh_traffic::Config;
use mesh_traffic::limit::Counted;
use mesh_traffic::limit::service::Asked;
use prometheus::{IntCounterVec, Opts, Registry};

use crate::admin::stats::Shown;

/// Several places may count under one prefix.
fn requests(config: &Config) -> BTreeMap<&Str, Counted> {
    let listeners = config.listeners.values();
    let of_listeners = listeners.flat_map(|listener| listener.local_limits());
    let tables = config.routes.values();
    let of_tables = tables.flat_map(|table| table.local_limits());
    let mut all: BTreeMap<&Str, Counted> = BTreeMap::new();
    for limit in of_listeners.chain(of_tables) {
        let sum = all.entry(limit.stat_prefix()).or_default();
        let Counted {
            enabled,
            enforced,
            limited,
            passed,
        } = limit.counted();
        sum.enabled += enabled;
        sum.enforced += enforced;
        sum.limited += limited;
        sum.passed += passed;
    }
    all
}

fn services(config: &Config) -> BTreeMap<&Str, Asked> {
    let mut all: BTreeMap<&Str, Asked> = BTreeMap::new();
    for listener in config.listeners.values() {
        for limit in listener.service_limits() {
            let sum = all.entry(limit.domain()).or_default();
            let Asked {
                passed,
                limited,
                failed,
                let_pass,
            } = limit.asked();
            sum.passed += passed;
            sum.limited += limited;
            sum.failed += failed;
            sum.let_pass += let_pass;
        }
    }
    all
}

fn connections(config: &Config) -> BTreeMap<&Str, u64> {
    let mut all = BTreeMap::new();
    for listener in config.listeners.values() {
        for limit in listener.connection_limits() {
            *all.entry(limit.stat_prefix()).or_default() += limit.limited();
        }
    }
    all
}

/// Under Envoy's names.
const fn outcomes(counted: Counted) -> [(&'static str, u64); 4] {
    [
        ("enabled", counted.enabled),
        ("enforced", counted.enforced),
        ("ok", counted.passed),
        ("rate_limited", counted.limited),
    ]
}

/// Under Envoy's names, too.
const fn of_asking(asked: Asked) -> [(&'static str, u64); 4] {
    [
        ("ok", asked.passed),
        ("over_limit", asked.limited),
        ("error", asked.failed),
        ("failure_mode_allowed", asked.let_pass),
    ]
}

/// Numbers under Envoy's names, by which Istio's tasks look for them.
pub(super) fn shown(config: &Config) -> Vec<Shown> {
    let mut all = Vec::new();
    let mut show = |name: String, value: u64| {
        all.push(Shown {
            name: name.into(),
            kind: "counter",
            value,
        });
    };
    for (prefix, counted) in requests(config) {
        for (outcome, value) in outcomes(counted) {
            show(format!("{prefix}.http_local_rate_limit.{outcome}"), value);
        }
    }
    for (domain, asked) in services(config) {
        for (outcome, value) in of_asking(asked) {
            show(format!("ratelimit.{domain}.{outcome}"), value);
        }
    }
    for (prefix, limited) in connections(config) {
        show(format!("local_rate_limit.{prefix}.rate_limited"), limited);
    }
    all
}

/// The same for Prometheus.
pub(super) fn fill(registry: &Registry, config: &Config) -> prometheus::Result<()> {
    let counted = IntCounterVec::new(
        Opts::new(
            "mesh_proxy_local_rate_limit_requests_total",
            "Requests that local rate limits decided about",
        ),
        &["limit", "outcome"],
    )?;
    for (prefix, sum) in requests(config) {
        for (outcome, value) in outcomes(sum) {
            let counter = counted.get_metric_with_label_values(&[&**prefix, outcome])?;
            counter.inc_by(value);
        }
    }
    registry.register(Box::new(counted))?;
    let asked = IntCounterVec::new(
        Opts::new(
            "mesh_proxy_rate_limit_requests_total",
            "Requests that rate limit services were asked about",
        ),
        &["domain", "outcome"],
    )?;
    for (domain, sum) in services(config) {
        for (outcome, value) in of_asking(sum) {
            let counter = asked.get_metric_with_label_values(&[&**domain, outcome])?;
            counter.inc_by(value);
        }
    }
    registry.register(Box::new(asked))?;
    let refused = IntCounterVec::new(
        Opts::new(
            "mesh_proxy_local_rate_limit_connections_total",
            "Connections that local rate limits closed",
        ),
        &["limit"],
    )?;
    for (prefix, limited) in connections(config) {
        let counter = refused.get_metric_with_label_values(&[&**prefix])?;
        counter.inc_by(limited);
    }
    registry.register(Box::new(refused))
}
