//! How a `Cluster` chooses endpoints.

use std::time::Duration;

use mesh_proto::envoy::envoy::config::cluster::v3 as pb;
use mesh_proto::envoy::envoy::config::cluster::v3::cluster::{
    CommonLbConfig, LbConfig, LbPolicy as Policy, SlowStartConfig,
    common_lb_config::LocalityConfigSpecifier,
};

use super::common::{duration, number};
use super::hash;
use crate::cluster::LbPolicy;
use crate::reject::{At, Compiled, Fault};
use crate::slow_start::{Rules, SlowStart};

/// Envoy's number of candidates for least request.
const DEFAULT_CHOICES: u32 = 2;
/// More candidates cost more than they bring.
const MAX_CHOICES: u32 = 16;
/// Envoy's `healthy_panic_threshold`, in per cent.
const PANIC_THRESHOLD: f64 = 50.0;
/// Envoy's `min_weight_percent` of slow start.
const LEAST_PERCENT: f64 = 10.0;

pub(super) fn policy(pb: &pb::Cluster) -> Compiled<LbPolicy> {
    let policy = Policy::try_from(pb.lb_policy)
        .map_err(|_unknown| Fault::new("lb_policy", format!("{} is no policy", pb.lb_policy)))?;
    match policy {
        Policy::RoundRobin => Ok(LbPolicy::RoundRobin),
        Policy::Random => Ok(LbPolicy::Random),
        Policy::LeastRequest => Ok(LbPolicy::LeastRequest {
            choices: choices(pb.lb_config.as_ref()),
        }),
        // The address decides alone, so any policy does.
        Policy::ClusterProvided => Ok(LbPolicy::RoundRobin),
        Policy::RingHash => hash::ring(pb).map(LbPolicy::Hash),
        Policy::Maglev => hash::maglev(pb).map(LbPolicy::Hash),
        Policy::LoadBalancingPolicyConfig => {
            let why = format!("{} is not supported", policy.as_str_name());
            Err(Fault::new("lb_policy", why))
        }
    }
}

fn choices(config: Option<&LbConfig>) -> u32 {
    let Some(LbConfig::LeastRequestLbConfig(config)) = config else {
        return DEFAULT_CHOICES;
    };
    number(config.choice_count.as_ref())
        .unwrap_or(DEFAULT_CHOICES)
        .clamp(DEFAULT_CHOICES, MAX_CHOICES)
}

/// In whole per cent, as Envoy rounds it.
pub(super) fn panic_threshold(pb: Option<&CommonLbConfig>) -> u8 {
    let percent = pb.and_then(|config| config.healthy_panic_threshold.as_ref());
    let value = percent.map_or(PANIC_THRESHOLD, |percent| percent.value);
    let reached = |whole: &u8| f64::from(*whole) <= value + 0.5;
    (0..=100u8).rev().find(reached).unwrap_or_default()
}

/// Whether localities get shares by their weights.
pub(super) fn weighs_localities(pb: Option<&CommonLbConfig>) -> Compiled<bool> {
    match pb.and_then(|config| config.locality_config_specifier.as_ref()) {
        None => Ok(false),
        Some(LocalityConfigSpecifier::LocalityWeightedLbConfig(_)) => Ok(true),
        Some(LocalityConfigSpecifier::ZoneAwareLbConfig(_)) => {
            Err(Fault::unsupported("zone_aware_lb_config"))
        }
    }
}

/// How endpoints that are new come to their share.
pub(super) fn slow_start(pb: Option<&LbConfig>) -> Compiled<Option<SlowStart>> {
    match pb {
        Some(LbConfig::RoundRobinLbConfig(config)) => {
            start(config.slow_start_config.as_ref()).at("round_robin_lb_config.slow_start_config")
        }
        Some(LbConfig::LeastRequestLbConfig(config)) => {
            start(config.slow_start_config.as_ref()).at("least_request_lb_config.slow_start_config")
        }
        Some(
            LbConfig::RingHashLbConfig(_)
            | LbConfig::MaglevLbConfig(_)
            | LbConfig::OriginalDstLbConfig(_),
        )
        | None => Ok(None),
    }
}

fn start(pb: Option<&SlowStartConfig>) -> Compiled<Option<SlowStart>> {
    let Some(pb) = pb else { return Ok(None) };
    let window = duration("slow_start_window", pb.slow_start_window.as_ref())?;
    let Some(window) = window.filter(|window| *window >= Duration::from_millis(1)) else {
        return Ok(None);
    };
    let aggression = pb
        .aggression
        .as_ref()
        .map_or(1.0, |value| value.default_value);
    let least = pb.min_weight_percent.as_ref();
    let least = least.map_or(LEAST_PERCENT, |percent| percent.value);
    if !(0.0..=100.0).contains(&least) {
        return Err(Fault::new("min_weight_percent", "is not between 0 and 100"));
    }
    Ok(Some(SlowStart::new(Rules {
        window,
        // Envoy takes what makes no sense for the default.
        aggression: if aggression > 0.0 { aggression } else { 1.0 },
        least: least / 100.0,
    })))
}

#[cfg(test)]
mod tests;
