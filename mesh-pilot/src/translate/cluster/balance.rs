//! How a cluster's endpoints are chosen.

use mesh_api::networking::locality::Warmup;
use mesh_proto::envoy::envoy::config::cluster::v3::cluster::{
    CommonLbConfig, LbConfig, LbPolicy, LeastRequestLbConfig, RoundRobinLbConfig, SlowStartConfig,
    common_lb_config::{LocalityConfigSpecifier, LocalityWeightedLbConfig},
};
use mesh_proto::envoy::envoy::config::core::v3::RuntimeDouble;
use mesh_proto::envoy::envoy::r#type::v3::Percent;

use super::guards;
use crate::snapshot::rules::{Balancer, PolicyBlocks};
use crate::snapshot::view::View;
use crate::translate::{hash, locality, message};

/// istio: `minimumPercent` of `warmup` where it is not written, in millionths.
const LEAST: u32 = 100_000;
/// istio: `aggression` of `warmup` where it is not written, in thousandths.
const EVENLY: u32 = 1000;

pub(super) fn policy(balancer: &Balancer) -> LbPolicy {
    match balancer {
        Balancer::RoundRobin => LbPolicy::RoundRobin,
        Balancer::LeastRequest => LbPolicy::LeastRequest,
        Balancer::Random => LbPolicy::Random,
        Balancer::Hash(hash) => hash::lb_policy(hash),
    }
}

/// What is said to the policy itself.
pub(super) fn config(blocks: &PolicyBlocks) -> Option<LbConfig> {
    let warmup = blocks.balancing.as_ref()?.warmup.as_ref();
    let slow_start_config = warmup.map(slow_start);
    match blocks.balancer() {
        Balancer::Hash(hash) => Some(hash::lb_config(hash)),
        Balancer::RoundRobin => slow_start_config.map(|config| {
            LbConfig::RoundRobinLbConfig(RoundRobinLbConfig {
                slow_start_config: Some(config),
            })
        }),
        Balancer::LeastRequest => slow_start_config.map(|config| {
            LbConfig::LeastRequestLbConfig(LeastRequestLbConfig {
                slow_start_config: Some(config),
                ..Default::default()
            })
        }),
        Balancer::Random => None,
    }
}

fn slow_start(written: &Warmup) -> SlowStartConfig {
    let millionths = written.minimum_percent.unwrap_or(LEAST);
    let thousandths = written.aggression.unwrap_or(EVENLY);
    SlowStartConfig {
        slow_start_window: written.duration.map(message::duration),
        aggression: Some(RuntimeDouble {
            default_value: f64::from(thousandths) / 1000.0,
            ..Default::default()
        }),
        min_weight_percent: Some(Percent {
            value: f64::from(millionths) / 10_000.0,
        }),
    }
}

/// What is said to every policy.
///
/// istio: localities have shares only where somebody has asked for it, as in the newest releases.
pub(super) fn common(view: &View, blocks: &PolicyBlocks) -> CommonLbConfig {
    let weighted = LocalityWeightedLbConfig {};
    let weighted = LocalityConfigSpecifier::LocalityWeightedLbConfig(weighted);
    CommonLbConfig {
        healthy_panic_threshold: Some(guards::panic_threshold(blocks.outliers.as_deref())),
        locality_config_specifier: locality::has_shares(view, blocks).then_some(weighted),
        ..Default::default()
    }
}
