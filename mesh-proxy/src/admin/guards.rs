//! What circuit breakers and outlier detection count, for `/stats` and `/stats/prometheus`; of clusters that have them.

use std::collections::BTreeMap;

use mesh_model::Str;
use mesh_traffic::Config;
use mesh_traffic::breaker::{Breaker, Resource};
use mesh_traffic::outlier::Detector;
use prometheus::{IntCounterVec, IntGaugeVec, Opts, Registry};

use crate::admin::stats::Shown;

const LABELS: [&str; 2] = ["cluster", "resource"];

fn breakers(config: &Config) -> BTreeMap<&Str, &Breaker> {
    let clusters = config.clusters.iter();
    let breakers = clusters.filter_map(|(name, cluster)| Some((name, cluster.breaker.as_ref()?)));
    breakers.collect()
}

fn detectors(config: &Config) -> BTreeMap<&Str, &Detector> {
    let clusters = config.clusters.iter();
    let detectors = clusters.filter_map(|(name, cluster)| Some((name, cluster.detector.as_ref()?)));
    detectors.collect()
}

const fn word(resource: Resource) -> &'static str {
    match resource {
        Resource::Connections => "connections",
        Resource::Pending => "pending",
        Resource::Requests => "requests",
        Resource::Retries => "retries",
    }
}

/// Numbers under Envoy's names, by which Istio's tasks look for them.
pub(super) fn shown(config: &Config) -> Vec<Shown> {
    let mut all = Vec::new();
    for (cluster, breaker) in breakers(config) {
        let mut show = |kind, stat: &str, value: u64| {
            let name = format!("cluster.{cluster}.{stat}").into();
            all.push(Shown { name, kind, value });
        };
        for (resource, open, active) in [
            (Resource::Connections, "cx_open", "upstream_cx_active"),
            (
                Resource::Pending,
                "rq_pending_open",
                "upstream_rq_pending_active",
            ),
            (Resource::Requests, "rq_open", "upstream_rq_active"),
            (
                Resource::Retries,
                "rq_retry_open",
                "upstream_rq_retry_active",
            ),
        ] {
            let open = format!("circuit_breakers.default.{open}");
            show("gauge", &open, breaker.is_open(resource).into());
            show("gauge", active, breaker.active(resource).into());
        }
        let over = |resource| breaker.overflows(resource);
        show(
            "counter",
            "upstream_cx_overflow",
            over(Resource::Connections),
        );
        // Envoy counts both as one.
        let refused = over(Resource::Pending) + over(Resource::Requests);
        show("counter", "upstream_rq_pending_overflow", refused);
        show(
            "counter",
            "upstream_rq_retry_overflow",
            over(Resource::Retries),
        );
    }
    for (cluster, detector) in detectors(config) {
        let mut show = |kind, stat: &str, value: u64| {
            let name = format!("cluster.{cluster}.outlier_detection.{stat}").into();
            all.push(Shown { name, kind, value });
        };
        show("gauge", "ejections_active", detector.ejected().into());
        show("counter", "ejections_enforced_total", detector.ejections());
        show("counter", "ejections_overflow", detector.overflows());
    }
    all
}

/// The same for Prometheus.
pub(super) fn fill(registry: &Registry, config: &Config) -> prometheus::Result<()> {
    let ejected = IntGaugeVec::new(
        Opts::new(
            "mesh_proxy_outlier_ejections_active",
            "Endpoints that are ejected at this moment",
        ),
        &["cluster"],
    )?;
    let ejections = IntCounterVec::new(
        Opts::new(
            "mesh_proxy_outlier_ejections_total",
            "How often an endpoint was ejected",
        ),
        &["cluster"],
    )?;
    for (cluster, detector) in detectors(config) {
        ejected
            .get_metric_with_label_values(&[cluster])?
            .set(detector.ejected().into());
        ejections
            .get_metric_with_label_values(&[cluster])?
            .inc_by(detector.ejections());
    }
    registry.register(Box::new(ejected))?;
    registry.register(Box::new(ejections))?;
    let active = IntGaugeVec::new(
        Opts::new(
            "mesh_proxy_circuit_breaker_active",
            "What a circuit breaker counts, at this moment",
        ),
        &LABELS,
    )?;
    let open = IntGaugeVec::new(
        Opts::new(
            "mesh_proxy_circuit_breaker_open",
            "Whether a circuit breaker lets no more through",
        ),
        &LABELS,
    )?;
    let overflows = IntCounterVec::new(
        Opts::new(
            "mesh_proxy_circuit_breaker_overflows_total",
            "How often a circuit breaker let something not through",
        ),
        &LABELS,
    )?;
    for (cluster, breaker) in breakers(config) {
        for resource in Resource::ALL {
            let labels = [&**cluster, word(resource)];
            active
                .get_metric_with_label_values(&labels)?
                .set(breaker.active(resource).into());
            open.get_metric_with_label_values(&labels)?
                .set(breaker.is_open(resource).into());
            overflows
                .get_metric_with_label_values(&labels)?
                .inc_by(breaker.overflows(resource));
        }
    }
    registry.register(Box::new(active))?;
    registry.register(Box::new(open))?;
    registry.register(Box::new(overflows))
}
