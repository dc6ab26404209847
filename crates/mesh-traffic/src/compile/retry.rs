//! `RetryPolicy` to [`RetryPolicy`].

use mesh_proto::envoy::envoy::config::route::v3 as pb;
use mesh_proto::envoy::envoy::config::route::v3::retry_policy::RetryBackOff;
use mesh_proto::envoy::envoy::config::route::v3::retry_policy::retry_host_predicate::ConfigType;

use super::common::{duration, limit, number};
use crate::reject::{Compiled, Fault};
use crate::retry::{RetryOn, RetryPolicy};

/// Most attempts for one choice of an endpoint.
const MAX_HOST_ATTEMPTS: u32 = 100;
/// Type of the predicate that avoids endpoints tried before.
const PREVIOUS_HOSTS: &str = "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate";
/// Its name, where it is not configured.
const PREVIOUS_HOSTS_NAME: &str = "envoy.retry_host_predicates.previous_hosts";

pub(super) fn compile(pb: &pb::RetryPolicy) -> Compiled<RetryPolicy> {
    let features = [
        (pb.retry_priority.is_some(), "retry_priority"),
        (
            !pb.retry_options_predicates.is_empty(),
            "retry_options_predicates",
        ),
        (!pb.retriable_headers.is_empty(), "retriable_headers"),
        (
            !pb.retriable_request_headers.is_empty(),
            "retriable_request_headers",
        ),
        (
            pb.rate_limited_retry_back_off.is_some(),
            "rate_limited_retry_back_off",
        ),
    ];
    if let Some((_, field)) = features.iter().find(|(asked, _)| *asked) {
        return Err(Fault::unsupported(*field));
    }
    let mut policy = RetryPolicy {
        on: kinds(&pb.retry_on)?,
        retries: number(pb.num_retries.as_ref()).unwrap_or(1),
        statuses: statuses(&pb.retriable_status_codes)?,
        per_try_timeout: limit("per_try_timeout", pb.per_try_timeout.as_ref(), None)?,
        per_try_idle_timeout: limit(
            "per_try_idle_timeout",
            pb.per_try_idle_timeout.as_ref(),
            None,
        )?,
        avoid_previous: avoids_previous(&pb.retry_host_predicate)?,
        host_attempts: u32::try_from(pb.host_selection_retry_max_attempts.max(1))
            .unwrap_or(MAX_HOST_ATTEMPTS)
            .min(MAX_HOST_ATTEMPTS),
        ..RetryPolicy::NEVER
    };
    if let Some(pauses) = &pb.retry_back_off {
        back_off(&mut policy, pauses)?;
    }
    Ok(policy)
}

fn kinds(text: &str) -> Compiled<RetryOn> {
    let tokens = text
        .split(',')
        .map(str::trim)
        .filter(|token| !token.is_empty());
    let mut kinds = RetryOn::default();
    for token in tokens {
        let unknown = || Fault::new("retry_on", format!("{token:?} is not supported"));
        kinds = kinds.with(RetryOn::parse(token).ok_or_else(unknown)?);
    }
    Ok(kinds)
}

fn statuses(list: &[u32]) -> Compiled<Vec<u16>> {
    let status = |status: &u32| {
        let wrong = || Fault::new("retriable_status_codes", format!("{status} is no status"));
        u16::try_from(*status).map_err(|_too_large| wrong())
    };
    list.iter().map(status).collect()
}

fn avoids_previous(list: &[pb::retry_policy::RetryHostPredicate]) -> Compiled<bool> {
    for predicate in list {
        let known = match &predicate.config_type {
            Some(ConfigType::TypedConfig(any)) => any.type_url.ends_with(PREVIOUS_HOSTS),
            None => predicate.name == PREVIOUS_HOSTS_NAME,
        };
        if !known {
            let why = format!("{:?} is not supported", predicate.name);
            return Err(Fault::new("retry_host_predicate", why));
        }
    }
    Ok(!list.is_empty())
}

fn back_off(policy: &mut RetryPolicy, pb: &RetryBackOff) -> Compiled<()> {
    let base = duration("retry_back_off.base_interval", pb.base_interval.as_ref())?;
    let base = base.filter(|base| !base.is_zero());
    policy.base = base.ok_or_else(|| Fault::missing("retry_back_off.base_interval"))?;
    let max = duration("retry_back_off.max_interval", pb.max_interval.as_ref())?;
    policy.max = max.unwrap_or_else(|| RetryPolicy::default_max(policy.base));
    if policy.max < policy.base {
        return Err(Fault::new(
            "retry_back_off.max_interval",
            "is below base_interval",
        ));
    }
    Ok(())
}
