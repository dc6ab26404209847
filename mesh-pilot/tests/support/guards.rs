//! What clusters bound, and whom they put out.

use mesh_proto::any::unpack;
use mesh_proto::envoy::envoy::config::cluster::v3 as cluster;
use mesh_proto::envoy::envoy::extensions::upstreams::http::v3 as upstream;

use super::{Out, duration};

/// What is bounded, and who is put out; the numbers that say nothing are left out.
pub(super) fn guards(out: &mut Out, it: &cluster::Cluster) {
    let all = it.circuit_breakers.iter().flat_map(|all| &all.thresholds);
    for own in all {
        let bounds = [
            ("connections", &own.max_connections),
            ("pending", &own.max_pending_requests),
            ("requests", &own.max_requests),
            ("retries", &own.max_retries),
        ];
        let bounds = bounds.map(|(name, bound)| (name, bound.map_or(0, |bound| bound.value)));
        let finite = bounds.iter().filter(|(_, bound)| *bound != u32::MAX);
        let mut words: Vec<_> = finite
            .map(|(name, bound)| format!("{name} {bound}"))
            .collect();
        if let Some(budget) = &own.retry_budget {
            let percent = budget.budget_percent.as_ref().map(|percent| percent.value);
            let least = budget.min_retry_concurrency.map(|least| least.value);
            words.push(format!("retries {percent:?} % at least {least:?}"));
        }
        out.field("at most", words.join(", "));
    }
    if let Some(rules) = &it.outlier_detection {
        out.line(format!("{rules:?}").replace("None", "-"));
    }
    let threshold = it.common_lb_config.as_ref();
    let threshold = threshold.and_then(|config| config.healthy_panic_threshold.as_ref());
    if let Some(percent) = threshold.filter(|percent| percent.value > 0.0) {
        out.line(format!("panic below {} %", percent.value));
    }
    let shares = it.common_lb_config.as_ref();
    if let Some(shares) = shares.and_then(|config| config.locality_config_specifier.as_ref()) {
        out.line(format!("{shares:?}"));
    }
    if let Some(kept) = it.upstream_connection_options.as_ref() {
        out.line(format!("{:?}", kept.tcp_keepalive));
    }
    for options in it.typed_extension_protocol_options.values() {
        let options: upstream::HttpProtocolOptions = unpack(options).unwrap();
        if let Some(common) = &options.common_http_protocol_options {
            let requests = common.max_requests_per_connection.map(|most| most.value);
            out.line(format!(
                "idle {} for {} requests {requests:?}",
                duration(common.idle_timeout.as_ref()),
                duration(common.max_connection_duration.as_ref()),
            ));
        }
    }
}
