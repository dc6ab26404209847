//! `OutlierDetection` to [`Detector`].

use std::time::Duration;

use mesh_proto::envoy::envoy::config::cluster::v3 as pb;
use mesh_proto::envoy::google::protobuf as wkt;

use super::common::{duration, is_true, is_true_or, number};
use crate::outlier::{Detector, Rates, Rules, Streak};
use crate::reject::{Compiled, Fault};

/// Envoy's `max_ejection_time`.
const MAX_TIME: Duration = Duration::from_secs(300);

pub(super) fn detector(pb: Option<&pb::OutlierDetection>) -> Compiled<Option<Detector>> {
    pb.map(|pb| rules(pb).map(Detector::new)).transpose()
}

/// Defaults are Envoy's.
fn rules(pb: &pb::OutlierDetection) -> Compiled<Rules> {
    let features = [
        (!pb.monitors.is_empty(), "monitors"),
        (
            is_true(pb.detect_degraded_hosts.as_ref()),
            "detect_degraded_hosts",
        ),
    ];
    if let Some((_, field)) = features.iter().find(|(asked, _)| *asked) {
        return Err(Fault::unsupported(*field));
    }
    let base_time = positive("base_ejection_time", pb.base_ejection_time.as_ref(), 30)?;
    let max_time = match &pb.max_ejection_time {
        Some(given) => positive("max_ejection_time", Some(given), 0)?,
        None => MAX_TIME.max(base_time),
    };
    let jitter = duration(
        "max_ejection_time_jitter",
        pb.max_ejection_time_jitter.as_ref(),
    )?;
    Ok(Rules {
        interval: positive("interval", pb.interval.as_ref(), 10)?,
        base_time,
        max_time,
        jitter: jitter.unwrap_or_default(),
        max_percent: percent("max_ejection_percent", pb.max_ejection_percent.as_ref(), 10)?,
        always_one: is_true(pb.always_eject_one_host.as_ref()),
        health_check_takes_back: is_true_or(
            pb.successful_active_health_check_uneject_host.as_ref(),
            true,
        ),
        split_local: pb.split_external_local_origin_errors,
        errors: Streak {
            length: number(pb.consecutive_5xx.as_ref()).unwrap_or(5),
            enforced: percent(
                "enforcing_consecutive_5xx",
                pb.enforcing_consecutive_5xx.as_ref(),
                100,
            )?,
        },
        gateway_errors: Streak {
            length: number(pb.consecutive_gateway_failure.as_ref()).unwrap_or(5),
            enforced: percent(
                "enforcing_consecutive_gateway_failure",
                pb.enforcing_consecutive_gateway_failure.as_ref(),
                0,
            )?,
        },
        local_failures: Streak {
            length: number(pb.consecutive_local_origin_failure.as_ref()).unwrap_or(5),
            enforced: percent(
                "enforcing_consecutive_local_origin_failure",
                pb.enforcing_consecutive_local_origin_failure.as_ref(),
                100,
            )?,
        },
        rates: rates(pb)?,
        local_enforced: (
            percent(
                "enforcing_local_origin_success_rate",
                pb.enforcing_local_origin_success_rate.as_ref(),
                100,
            )?,
            percent(
                "enforcing_failure_percentage_local_origin",
                pb.enforcing_failure_percentage_local_origin.as_ref(),
                0,
            )?,
        ),
    })
}

fn rates(pb: &pb::OutlierDetection) -> Compiled<Rates> {
    Ok(Rates {
        success_enforced: percent(
            "enforcing_success_rate",
            pb.enforcing_success_rate.as_ref(),
            100,
        )?,
        success_hosts: number(pb.success_rate_minimum_hosts.as_ref()).unwrap_or(5),
        success_requests: number(pb.success_rate_request_volume.as_ref()).unwrap_or(100),
        success_factor: number(pb.success_rate_stdev_factor.as_ref()).unwrap_or(1900),
        failure_enforced: percent(
            "enforcing_failure_percentage",
            pb.enforcing_failure_percentage.as_ref(),
            0,
        )?,
        failure_percent: percent(
            "failure_percentage_threshold",
            pb.failure_percentage_threshold.as_ref(),
            85,
        )?,
        failure_hosts: number(pb.failure_percentage_minimum_hosts.as_ref()).unwrap_or(5),
        failure_requests: number(pb.failure_percentage_request_volume.as_ref()).unwrap_or(50),
    })
}

fn percent(field: &str, value: Option<&wkt::UInt32Value>, default: u8) -> Compiled<u8> {
    let Some(value) = number(value) else {
        return Ok(default);
    };
    let fits = u8::try_from(value).ok().filter(|percent| *percent <= 100);
    fits.ok_or_else(|| Fault::new(field, format!("{value} is more than 100")))
}

fn positive(field: &str, value: Option<&wkt::Duration>, default: u64) -> Compiled<Duration> {
    match duration(field, value)? {
        None => Ok(Duration::from_secs(default)),
        Some(given) if given.is_zero() => Err(Fault::new(field, "must be more than nothing")),
        Some(given) => Ok(given),
    }
}
