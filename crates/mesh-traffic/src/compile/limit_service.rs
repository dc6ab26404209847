//! `RateLimit` of listeners and `RateLimitPerRoute` of route tables to [`GlobalLimit`] and what places say of it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use mesh_model::Str;
use mesh_proto::envoy::envoy::config::ratelimit::v3::RateLimitServiceConfig;
use mesh_proto::envoy::envoy::config::route::v3::FilterConfig;
use mesh_proto::envoy::envoy::extensions::filters::http::ratelimit::v3 as pb;
use mesh_proto::envoy::envoy::extensions::filters::http::ratelimit::v3::rate_limit_per_route::VhRateLimitsOptions;
use mesh_proto::envoy::envoy::extensions::filters::network::http_connection_manager::v3::HttpFilter;
use mesh_proto::envoy::envoy::r#type::v3::HttpStatus;
use mesh_proto::{Any, any};

use super::common::{duration, runtime_share, text, unpack};
use super::http::{CORS, FAULT, message, typed};
use super::limit::{self, LAST_STAGE, TOO_MANY};
use super::{authz, descriptor, grpc, route};
use crate::fault::Share;
use crate::limit::OfHost;
use crate::limit::service::{GlobalLimit, OfPlace, ServiceRules};
use crate::reject::{At, Compiled, Fault};

/// Name of the filter, by which routes configure it.
pub(super) const FILTER: &str = "envoy.filters.http.ratelimit";
/// Type of its configuration.
pub(super) const TYPE: &str = "envoy.extensions.filters.http.ratelimit.v3.RateLimit";

/// Envoy's `timeout`.
const DEFAULT_TIMEOUT: Duration = Duration::from_millis(20);
/// Envoy's `status_on_error`.
const FAILED: u16 = 500;
/// `RESOURCE_EXHAUSTED`
const EXHAUSTED: u16 = 8;

/// The filter among those of a listener.
pub(super) fn of_manager(list: &[HttpFilter]) -> Compiled<Option<Arc<GlobalLimit>>> {
    let is = |filter: &HttpFilter, wanted: &[&str]| {
        typed(filter).is_some_and(|any| wanted.contains(&message(any)))
    };
    let Some(own) = list.iter().position(|filter| is(filter, &[TYPE])) else {
        return Ok(None);
    };
    let later = list.iter().skip(own + 1);
    let mut later =
        later.filter(|filter| is(filter, &[TYPE, CORS, FAULT, limit::TYPE, authz::TYPE]));
    if let Some(other) = later.next_back() {
        let why = format!("must stand after {:?}", other.name);
        return Err(Fault::new("", why)).at_index("http_filters", own);
    }
    let limit = list.get(own).map(own_limit).transpose();
    Ok(limit.at_index("http_filters", own)?.flatten())
}

fn own_limit(filter: &HttpFilter) -> Compiled<Option<Arc<GlobalLimit>>> {
    if filter.name != FILTER {
        let why = format!("is not {FILTER:?}, by which routes configure the filter");
        return Err(Fault::new("name", why));
    }
    if filter.disabled {
        return Ok(None);
    }
    let pb = typed(filter).map(unpack::<pb::RateLimit>).transpose()?;
    let limit = pb.map(|pb| compile(&pb)).transpose().at("typed_config")?;
    Ok(limit.map(Arc::new))
}

pub(crate) fn compile(pb: &pb::RateLimit) -> Compiled<GlobalLimit> {
    let features = [
        (
            !matches!(pb.request_type.as_str(), "" | "both"),
            "request_type",
        ),
        (
            pb.failure_mode_deny_percent.is_some(),
            "failure_mode_deny_percent",
        ),
        (!pb.stat_prefix.is_empty(), "stat_prefix"),
        (!pb.metadata_namespace.is_empty(), "metadata_namespace"),
        (pb.enable_retry_after_header, "enable_retry_after_header"),
    ];
    route::refuse(&features)?;
    if pb.stage > LAST_STAGE {
        let why = format!("{} is more than {LAST_STAGE}", pb.stage);
        return Err(Fault::new("stage", why));
    }
    let shows_window = match pb::rate_limit::XRateLimitHeadersRfcVersion::try_from(
        pb.enable_x_ratelimit_headers,
    ) {
        Ok(pb::rate_limit::XRateLimitHeadersRfcVersion::Off) => false,
        Ok(pb::rate_limit::XRateLimitHeadersRfcVersion::DraftVersion03) => true,
        Err(_) => {
            let why = format!("{} is none", pb.enable_x_ratelimit_headers);
            return Err(Fault::new("enable_x_ratelimit_headers", why));
        }
    };
    let (cluster, authority) = service(pb)?;
    let enabled = runtime_share(pb.filter_enabled.as_ref()).at("filter_enabled")?;
    let enforced = runtime_share(pb.filter_enforced.as_ref()).at("filter_enforced")?;
    let given = duration("timeout", pb.timeout.as_ref())?;
    Ok(GlobalLimit::new(ServiceRules {
        domain: text(&pb.domain).ok_or_else(|| Fault::missing("domain"))?,
        stage: pb.stage,
        cluster,
        authority,
        // An answer that may take for ever would hold the request for as long.
        timeout: given.filter(|it| !it.is_zero()).unwrap_or(DEFAULT_TIMEOUT),
        denies_on_error: pb.failure_mode_deny,
        error_status: status(pb.status_on_error.as_ref(), FAILED),
        status: status(pb.rate_limited_status.as_ref(), TOO_MANY),
        grpc: pb.rate_limited_as_resource_exhausted.then_some(EXHAUSTED),
        enabled: enabled.unwrap_or(Share::ALL),
        enforced: enforced.unwrap_or(Share::ALL),
        shows_window,
        says_limited: !pb.disable_x_envoy_ratelimited_header,
        tell: limit::headers(&pb.response_headers_to_add, "response_headers_to_add")?,
        recipes: descriptor::recipes(&pb.rate_limits)?,
    }))
}

/// A status of an error, as it is written or else Envoy's.
pub(super) fn status(pb: Option<&HttpStatus>, default: u16) -> u16 {
    let code = pb.and_then(|status| u16::try_from(status.code).ok());
    code.filter(|code| (400..600).contains(code))
        .unwrap_or(default)
}

/// The cluster of the service, and the authority by which it is called.
fn service(pb: &pb::RateLimit) -> Compiled<(Str, Str)> {
    let service = pb.rate_limit_service.as_ref();
    let service = service.ok_or_else(|| Fault::missing("rate_limit_service"))?;
    service_of(service).at("rate_limit_service")
}

fn service_of(service: &RateLimitServiceConfig) -> Compiled<(Str, Str)> {
    grpc::version(service.transport_api_version)?;
    let pb = service.grpc_service.as_ref();
    let pb = pb.ok_or_else(|| Fault::missing("grpc_service"))?;
    // The filter has a timeout of its own.
    let refused = route::refuse(&[(pb.timeout.is_some(), "timeout")]);
    let called = refused
        .and_then(|()| grpc::service(pb))
        .at("grpc_service")?;
    Ok((called.cluster, called.authority))
}

/// What a table, a virtual host or a route says of it.
pub(super) fn of_place(per_filter: &HashMap<String, Any>) -> Compiled<Option<Arc<OfPlace>>> {
    let said = per_filter.get(FILTER).map(|any| {
        let said = said(any);
        said.at(&format!("typed_per_filter_config[{FILTER:?}]"))
    });
    Ok(said.transpose()?.map(Arc::new))
}

fn said(any: &Any) -> Compiled<OfPlace> {
    if !any::is::<FilterConfig>(any) {
        return place(&unpack(any)?);
    }
    let wrapped: FilterConfig = unpack(any)?;
    match (wrapped.disabled, &wrapped.config) {
        (true, _) => Ok(OfPlace {
            off: true,
            of_host: OfHost::Unless,
            domain: None,
            recipes: Vec::new(),
        }),
        (false, Some(inner)) => place(&unpack(inner)?),
        (false, None) => Err(Fault::missing("config")),
    }
}

fn place(pb: &pb::RateLimitPerRoute) -> Compiled<OfPlace> {
    route::refuse(&[(pb.override_option != 0, "override_option")])?;
    let of_host = match VhRateLimitsOptions::try_from(pb.vh_rate_limits) {
        Ok(VhRateLimitsOptions::Override) => OfHost::Unless,
        Ok(VhRateLimitsOptions::Include) => OfHost::Include,
        Ok(VhRateLimitsOptions::Ignore) => OfHost::Ignore,
        Err(_) => {
            let why = format!("{} is none", pb.vh_rate_limits);
            return Err(Fault::new("vh_rate_limits", why));
        }
    };
    Ok(OfPlace {
        off: false,
        of_host,
        domain: text(&pb.domain),
        recipes: descriptor::recipes(&pb.rate_limits)?,
    })
}

#[cfg(test)]
mod tests;
