//! What services said that are asked whether requests pass, for `/stats` and `/stats/prometheus`.

use std::collections::BTreeMap;

use mesh_model::Str;
use mesh_traffic::Config;
use mesh_traffic::authz::Asked;
use prometheus::{IntCounterVec, Opts, Registry};

use crate::admin::stats::Shown;

/// Several listeners may count under one prefix.
fn requests(config: &Config) -> BTreeMap<&Str, Asked> {
    let mut all: BTreeMap<&Str, Asked> = BTreeMap::new();
    for listener in config.listeners.values() {
        for filter in listener.authorizations() {
            let sum = all.entry(filter.stat_prefix()).or_default();
            let Asked {
                passed,
                denied,
                failed,
                let_pass,
                invalid,
                disabled,
            } = filter.asked();
            sum.passed += passed;
            sum.denied += denied;
            sum.failed += failed;
            sum.let_pass += let_pass;
            sum.invalid += invalid;
            sum.disabled += disabled;
        }
    }
    all
}

/// Under Envoy's names.
const fn outcomes(asked: Asked) -> [(&'static str, u64); 6] {
    [
        ("denied", asked.denied),
        ("disabled", asked.disabled),
        ("error", asked.failed),
        ("failure_mode_allowed", asked.let_pass),
        ("invalid", asked.invalid),
        ("ok", asked.passed),
    ]
}

/// Numbers under Envoy's names.
pub(super) fn shown(config: &Config) -> Vec<Shown> {
    let mut all = Vec::new();
    for (prefix, asked) in requests(config) {
        all.extend(outcomes(asked).map(|(outcome, value)| Shown {
            name: format!("{prefix}.{outcome}").into(),
            kind: "counter",
            value,
        }));
    }
    all
}

/// The same for Prometheus.
pub(super) fn fill(registry: &Registry, config: &Config) -> prometheus::Result<()> {
    let counted = IntCounterVec::new(
        Opts::new(
            "mesh_proxy_authorization_requests_total",
            "Requests that authorization services were asked about",
        ),
        &["filter", "outcome"],
    )?;
    for (prefix, asked) in requests(config) {
        for (outcome, value) in outcomes(asked) {
            let counter = counted.get_metric_with_label_values(&[&**prefix, outcome])?;
            counter.inc_by(value);
        }
    }
    registry.register(Box::new(counted))
}
