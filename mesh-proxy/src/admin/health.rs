//! What health checks count, for `/stats` and `/stats/prometheus`; of clusters that have them.

use std::collections::BTreeMap;

use mesh_model::Str;
use mesh_traffic::Config;
use mesh_traffic::health::Counts;
use prometheus::{IntCounterVec, IntGaugeVec, Opts, Registry};

use crate::admin::stats::Shown;

fn counts(config: &Config) -> BTreeMap<&Str, Counts> {
    let checkers = config.checkers();
    let counts = checkers.map(|(cluster, checker)| (&cluster.name, checker.counts()));
    counts.collect()
}

/// What happened to probes, in Envoy's words.
const fn happened(counts: &Counts) -> [(&'static str, u64); 6] {
    [
        ("attempt", counts.attempts),
        ("success", counts.successes),
        ("failure", counts.failures),
        ("passive_failure", counts.passive),
        ("network_failure", counts.network),
        ("verify_cluster", counts.verifications),
    ]
}

/// How endpoints are, in Envoy's words.
const fn standing(counts: &Counts) -> [(&'static str, u64); 2] {
    [("healthy", counts.healthy), ("degraded", counts.degraded)]
}

/// Numbers under Envoy's names.
pub(super) fn shown(config: &Config) -> Vec<Shown> {
    let mut all = Vec::new();
    for (cluster, counts) in counts(config) {
        let mut show = |kind, stat: &str, value| {
            let name = format!("cluster.{cluster}.health_check.{stat}").into();
            all.push(Shown { name, kind, value });
        };
        for (stat, value) in happened(&counts) {
            show("counter", stat, value);
        }
        for (stat, value) in standing(&counts) {
            show("gauge", stat, value);
        }
    }
    all
}

/// The same for Prometheus.
pub(super) fn fill(registry: &Registry, config: &Config) -> prometheus::Result<()> {
    let checks = IntCounterVec::new(
        Opts::new(
            "mesh_proxy_health_checks_total",
            "Probes of endpoints, and what came of them",
        ),
        &["cluster", "outcome"],
    )?;
    let endpoints = IntGaugeVec::new(
        Opts::new(
            "mesh_proxy_health_check_endpoints",
            "Endpoints that are probed, by how they are at this moment",
        ),
        &["cluster", "health"],
    )?;
    for (cluster, counts) in counts(config) {
        for (outcome, value) in happened(&counts) {
            let labels = [&**cluster, outcome];
            checks.get_metric_with_label_values(&labels)?.inc_by(value);
        }
        for (health, value) in standing(&counts) {
            let labels = [&**cluster, health];
            let value = i64::try_from(value).unwrap_or(i64::MAX);
            endpoints.get_metric_with_label_values(&labels)?.set(value);
        }
    }
    registry.register(Box::new(checks))?;
    registry.register(Box::new(endpoints))
}
