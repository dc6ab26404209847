use mesh_proto::envoy::envoy::config::cluster::v3::cluster::common_lb_config::{
    LocalityWeightedLbConfig, ZoneAwareLbConfig,
};
use mesh_proto::envoy::envoy::config::cluster::v3::cluster::{
    LeastRequestLbConfig, RoundRobinLbConfig,
};
use mesh_proto::envoy::envoy::config::core::v3::RuntimeDouble;
use mesh_proto::envoy::envoy::config::endpoint::v3::cluster_load_assignment::Policy;
use mesh_proto::envoy::envoy::r#type::v3::Percent;
use mesh_proto::envoy::google::protobuf as wkt;

use super::*;
use crate::testing::{assignment, eds_cluster};
use crate::{Cluster, Endpoints};

fn compiled(change: impl FnOnce(&mut pb::Cluster)) -> Result<Cluster, String> {
    let mut cluster = eds_cluster();
    change(&mut cluster);
    Cluster::compile(&cluster).map_err(|why| why.to_string())
}

fn mk_percent(value: f64) -> Option<Percent> {
    Some(Percent { value })
}

#[test]
fn panic_begins_below_half_unless_it_is_said_otherwise() {
    let threshold = |percent: Option<Percent>| {
        let config = CommonLbConfig {
            healthy_panic_threshold: percent,
            ..Default::default()
        };
        compiled(|c| c.common_lb_config = Some(config))
            .unwrap()
            .panic_threshold
    };
    assert_eq!(compiled(|_| ()).unwrap().panic_threshold, 50);
    for (given, expected) in [(0.0, 0), (0.4, 0), (33.5, 34), (100.0, 100), (1e9, 100)] {
        assert_eq!(threshold(mk_percent(given)), expected, "{given}");
    }
    assert_eq!(threshold(None), 50);
}

#[test]
fn localities_are_weighed_where_it_is_said_and_zones_are_refused() {
    let with = |specifier| {
        compiled(|c| {
            c.common_lb_config = Some(CommonLbConfig {
                locality_config_specifier: Some(specifier),
                ..Default::default()
            });
        })
    };
    assert!(!compiled(|_| ()).unwrap().weighs_localities);
    let weighted = LocalityWeightedLbConfig::default();
    let weighted = with(LocalityConfigSpecifier::LocalityWeightedLbConfig(weighted));
    assert!(weighted.unwrap().weighs_localities);
    let zones = ZoneAwareLbConfig::default();
    assert_eq!(
        with(LocalityConfigSpecifier::ZoneAwareLbConfig(zones)).unwrap_err(),
        "cluster outbound|9080||reviews: common_lb_config.zone_aware_lb_config: is not supported"
    );
}

fn mk_start(percent: f64, aggression: f64) -> SlowStartConfig {
    SlowStartConfig {
        slow_start_window: Some(wkt::Duration {
            seconds: 60,
            nanos: 0,
        }),
        aggression: Some(RuntimeDouble {
            default_value: aggression,
            ..Default::default()
        }),
        min_weight_percent: mk_percent(percent),
    }
}

#[test]
fn slow_start_is_of_round_robin_and_least_request() {
    let with = |start: SlowStartConfig| {
        let least = LeastRequestLbConfig {
            slow_start_config: Some(start),
            ..Default::default()
        };
        let robin = RoundRobinLbConfig {
            slow_start_config: Some(start_again(&least)),
        };
        let one = compiled(|c| c.lb_config = Some(LbConfig::LeastRequestLbConfig(least)));
        let other = compiled(|c| c.lb_config = Some(LbConfig::RoundRobinLbConfig(robin)));
        (one, other)
    };
    let expected = |aggression| Rules {
        window: Duration::from_secs(60),
        aggression,
        least: 0.2,
    };
    for (given, aggression) in [(2.5, 2.5), (0.0, 1.0), (-1.0, 1.0), (f64::NAN, 1.0)] {
        let (one, other) = with(mk_start(20.0, given));
        for cluster in [one, other] {
            let start = cluster.unwrap().slow_start.unwrap();
            assert_eq!(start.rules(), &expected(aggression), "{given}");
        }
    }
    let (one, other) = with(SlowStartConfig::default());
    assert!(one.unwrap().slow_start.is_none() && other.unwrap().slow_start.is_none());
    assert_eq!(
        with(mk_start(101.0, 1.0)).0.unwrap_err(),
        "cluster outbound|9080||reviews: least_request_lb_config.slow_start_config\
         .min_weight_percent: is not between 0 and 100"
    );
}

fn start_again(of: &LeastRequestLbConfig) -> SlowStartConfig {
    of.slow_start_config.clone().unwrap_or_default()
}

#[test]
fn what_an_assignment_says_of_overload_is_read_or_refused() {
    let with = |policy: Policy| {
        let mut pb = assignment(&[("10.0.0.1:1", 1, 1)]);
        pb.policy = Some(policy);
        Endpoints::compile(&pb).map_err(|why| why.to_string())
    };
    let factor = |value| Policy {
        overprovisioning_factor: Some(wkt::UInt32Value { value }),
        ..Default::default()
    };
    assert!(with(factor(100)).is_ok());
    assert_eq!(
        with(factor(0)).unwrap_err(),
        "endpoints outbound|9080||reviews: policy.overprovisioning_factor: is nought"
    );
    let stale = Policy {
        endpoint_stale_after: Some(wkt::Duration::default()),
        ..Default::default()
    };
    assert_eq!(
        with(stale).unwrap_err(),
        "endpoints outbound|9080||reviews: policy.endpoint_stale_after: is not supported"
    );
}

#[test]
fn weights_of_localities_that_sum_up_to_too_much_are_refused() {
    let mut pb = assignment(&[("10.0.0.1:1", 1, 1)]);
    pb.endpoints[0].load_balancing_weight = Some(wkt::UInt32Value { value: u32::MAX });
    assert!(Endpoints::compile(&pb).is_ok());
    let second = pb.endpoints[0].clone();
    pb.endpoints.push(second);
    assert_eq!(
        Endpoints::compile(&pb).unwrap_err().to_string(),
        "endpoints outbound|9080||reviews: endpoints: \
         the weights of priority 0 sum up to too much"
    );
}
