//! `LocalRateLimit` of listeners, route tables and filter chains to [`LocalLimit`] and [`ConnectionLimit`].

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use mesh_model::Str;
use mesh_proto::envoy::envoy::config::core::v3::HeaderValueOption;
use mesh_proto::envoy::envoy::config::route::v3::FilterConfig;
use mesh_proto::envoy::envoy::extensions::common::ratelimit::v3 as common;
use mesh_proto::envoy::envoy::extensions::common::ratelimit::v3::{
    LocalRateLimitDescriptor, VhRateLimitsOptions,
};
use mesh_proto::envoy::envoy::extensions::filters::http::local_ratelimit::v3::LocalRateLimit;
use mesh_proto::envoy::envoy::extensions::filters::network::http_connection_manager::v3::HttpFilter;
use mesh_proto::envoy::envoy::extensions::filters::network::local_ratelimit::v3 as network;
use mesh_proto::envoy::envoy::r#type::v3::TokenBucket;
use mesh_proto::{Any, any};

use super::common::{duration, is_true_or, number, runtime_share, text, unpack};
use super::http::{CORS, FAULT, message, typed};
use super::{descriptor, ops, route};
use crate::authz::Moment;
use crate::fault::Share;
pub(super) use crate::limit::Said;
use crate::limit::{ConnectionLimit, Described, Filling, LocalLimit, OfHost, Rules};
use crate::listener::LimitAt;
use crate::reject::{At, Compiled, Fault};
use crate::shape::HeaderOp;

/// Name of the filter, by which routes configure it.
pub(super) const FILTER: &str = "envoy.filters.http.local_ratelimit";
/// Type of its configuration.
pub(super) const TYPE: &str = "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit";

/// What Envoy answers to requests that are too many, and where another status is none of an error.
pub(super) const TOO_MANY: u16 = 429;
/// `RESOURCE_EXHAUSTED`
const EXHAUSTED: u16 = 8;
/// The shortest time in which Envoy lets a bucket fill.
const SHORTEST: Duration = Duration::from_millis(50);
/// Envoy's `max_dynamic_descriptors`.
const DEFAULT_VALUES: u32 = 20;
/// For more values than that no proxy keeps buckets.
const MOST_VALUES: u32 = 65_536;
/// How many headers Envoy lets a limit write.
const MOST_HEADERS: usize = 10;
/// The largest stage that Envoy takes.
pub(super) const LAST_STAGE: u32 = 10;

/// The filter among those of a listener, with its place; `authorized` says when a service is asked about requests.
pub(super) fn of_manager(
    list: &[HttpFilter],
    authorized: Option<Moment>,
) -> Compiled<Option<LimitAt>> {
    let at = |wanted: &str| {
        let is_it = |filter: &HttpFilter| typed(filter).is_some_and(|it| message(it) == wanted);
        list.iter().position(is_it)
    };
    let Some(own) = at(TYPE) else {
        return Ok(None);
    };
    let more = list.iter().skip(own + 1);
    let more = more.filter(|filter| typed(filter).is_some_and(|it| message(it) == TYPE));
    if more.count() > 0 {
        let why = "more than one local_ratelimit filter is not supported: use descriptors";
        return Err(Fault::new("http_filters", why));
    }
    let stands_before = |other: &str| at(other).is_none_or(|other| own < other);
    let own_limit = list.get(own).map(own_limit).transpose();
    Ok(Some(LimitAt {
        own: own_limit.at_index("http_filters", own)?.flatten(),
        before_cors: stands_before(CORS),
        // What is counted after requests were authorized is counted after faults too.
        before_fault: stands_before(FAULT) && authorized != Some(Moment::BeforeLimit),
    }))
}

fn own_limit(filter: &HttpFilter) -> Compiled<Option<Arc<LocalLimit>>> {
    if filter.name != FILTER {
        let why = format!("is not {FILTER:?}, by which routes configure the filter");
        return Err(Fault::new("name", why));
    }
    let pb = typed(filter).map(unpack::<LocalRateLimit>).transpose()?;
    let pb = pb.filter(|_| !filter.disabled);
    // Envoy: without a bucket it is there for the sake of routes that have one.
    let pb = match pb {
        Some(pb) if pb.token_bucket.is_none() && !pb.descriptors.is_empty() => {
            return Err(Fault::missing("typed_config.token_bucket"));
        }
        pb => pb.filter(|pb| pb.token_bucket.is_some()),
    };
    let limit = pb.map(|pb| local(&pb)).transpose();
    Ok(limit.at("typed_config")?.map(Arc::new))
}

/// What a table, a virtual host or a route says of it.
pub(super) fn of_place(per_filter: &HashMap<String, Any>) -> Compiled<Option<Said>> {
    let said = per_filter.get(FILTER).map(|any| {
        let said = said(any);
        said.at(&format!("typed_per_filter_config[{FILTER:?}]"))
    });
    said.transpose()
}

fn said(any: &Any) -> Compiled<Said> {
    if !any::is::<FilterConfig>(any) {
        return Ok(Said::Limit(Arc::new(local(&unpack(any)?)?)));
    }
    let wrapped: FilterConfig = unpack(any)?;
    match (wrapped.disabled, &wrapped.config) {
        (true, _) => Ok(Said::Off),
        (false, Some(inner)) => Ok(Said::Limit(Arc::new(local(&unpack(inner)?)?))),
        (false, None) => Err(Fault::missing("config")),
    }
}

fn local(pb: &LocalRateLimit) -> Compiled<LocalLimit> {
    let features = [(
        pb.local_cluster_rate_limit.is_some(),
        "local_cluster_rate_limit",
    )];
    route::refuse(&features)?;
    let most_values = number(pb.max_dynamic_descriptors.as_ref()).unwrap_or(DEFAULT_VALUES);
    if !(1..=MOST_VALUES).contains(&most_values) {
        let why = format!("{most_values} is not 1 to {MOST_VALUES}");
        return Err(Fault::new("max_dynamic_descriptors", why));
    }
    if pb.stage > LAST_STAGE {
        let why = format!("{} is more than {LAST_STAGE}", pb.stage);
        return Err(Fault::new("stage", why));
    }
    let none = Share {
        numerator: 0,
        denominator: 1,
    };
    let enabled = runtime_share(pb.filter_enabled.as_ref()).at("filter_enabled")?;
    let enforced = runtime_share(pb.filter_enforced.as_ref()).at("filter_enforced")?;
    let per_connection = pb.local_rate_limit_per_downstream_connection;
    Ok(LocalLimit::new(Rules {
        stat_prefix: text(&pb.stat_prefix).ok_or_else(|| Fault::missing("stat_prefix"))?,
        status: status(pb),
        grpc: pb.rate_limited_as_resource_exhausted.then_some(EXHAUSTED),
        filling: filling(pb.token_bucket.as_ref())?,
        enabled: enabled.unwrap_or(none),
        enforced: enforced.unwrap_or(none),
        mark: headers(
            &pb.request_headers_to_add_when_not_enforced,
            "request_headers_to_add_when_not_enforced",
        )?,
        tell: headers(&pb.response_headers_to_add, "response_headers_to_add")?,
        descriptors: descriptors(&pb.descriptors, per_connection)?,
        recipes: descriptor::recipes(&pb.rate_limits)?,
        stage: pb.stage,
        of_host: of_host(pb.vh_rate_limits)?,
        always_common: is_true_or(pb.always_consume_default_token_bucket.as_ref(), true),
        most_values: most_values as usize,
        per_connection,
        shows_window: shows_window(pb.enable_x_ratelimit_headers)?,
        says_retry_after: pb.enable_retry_after_header,
    }))
}

fn status(pb: &LocalRateLimit) -> u16 {
    let code = pb.status.as_ref().map(|status| status.code);
    let code = code.and_then(|code| u16::try_from(code).ok());
    // Envoy: what is no error would not tell a client to stop.
    code.filter(|code| (400..600).contains(code))
        .unwrap_or(TOO_MANY)
}

pub(super) fn headers(list: &[HeaderValueOption], field: &str) -> Compiled<Vec<HeaderOp>> {
    if list.len() > MOST_HEADERS {
        return Err(Fault::new(field, format!("has more than {MOST_HEADERS}")));
    }
    let mut ops = Vec::with_capacity(list.len());
    ops::puts(&mut ops, list, field)?;
    Ok(ops)
}

fn filling(pb: Option<&TokenBucket>) -> Compiled<Filling> {
    let pb = pb.ok_or_else(|| Fault::missing("token_bucket"))?;
    bucket(pb).at("token_bucket")
}

fn bucket(pb: &TokenBucket) -> Compiled<Filling> {
    let tokens = number(pb.tokens_per_fill.as_ref()).unwrap_or(1);
    if tokens == 0 {
        return Err(Fault::new("tokens_per_fill", "is zero"));
    }
    let every = duration("fill_interval", pb.fill_interval.as_ref())?;
    let every = every.ok_or_else(|| Fault::missing("fill_interval"))?;
    if every < SHORTEST {
        let why = format!("is less than {} ms", SHORTEST.as_millis());
        return Err(Fault::new("fill_interval", why));
    }
    Ok(Filling {
        most: pb.max_tokens,
        tokens,
        every,
    })
}

fn descriptors(
    list: &[LocalRateLimitDescriptor],
    per_connection: bool,
) -> Compiled<Vec<Described>> {
    let mut found: Vec<Described> = Vec::with_capacity(list.len());
    for (index, pb) in list.iter().enumerate() {
        let described = described(pb, per_connection).at_index("descriptors", index)?;
        if found.iter().any(|it| it.entries == described.entries) {
            let twice = Err(Fault::new("entries", "are those of another descriptor"));
            return twice.at_index("descriptors", index);
        }
        found.push(described);
    }
    Ok(found)
}

fn described(pb: &LocalRateLimitDescriptor, per_connection: bool) -> Compiled<Described> {
    if pb.shadow_mode {
        return Err(Fault::unsupported("shadow_mode"));
    }
    if pb.entries.is_empty() {
        return Err(Fault::missing("entries"));
    }
    let entry = |pb: &common::rate_limit_descriptor::Entry| {
        let key = text(&pb.key).ok_or_else(|| Fault::missing("key"))?;
        match per_connection && pb.value.is_empty() {
            true => Err(Fault::new(
                "value",
                "is missing, which is not supported for limits of one connection",
            )),
            false => Ok((key, Str::from(&pb.value))),
        }
    };
    let entries = pb.entries.iter().enumerate();
    let entries = entries.map(|(i, pb)| entry(pb).at_index("entries", i));
    Ok(Described {
        entries: entries.collect::<Compiled<_>>()?,
        filling: filling(pb.token_bucket.as_ref())?,
    })
}

fn of_host(option: i32) -> Compiled<OfHost> {
    match VhRateLimitsOptions::try_from(option) {
        Ok(VhRateLimitsOptions::Override) => Ok(OfHost::Unless),
        Ok(VhRateLimitsOptions::Include) => Ok(OfHost::Include),
        Ok(VhRateLimitsOptions::Ignore) => Ok(OfHost::Ignore),
        Err(_) => Err(Fault::new("vh_rate_limits", format!("{option} is none"))),
    }
}

fn shows_window(version: i32) -> Compiled<bool> {
    match common::XRateLimitHeadersRfcVersion::try_from(version) {
        Ok(common::XRateLimitHeadersRfcVersion::Off) => Ok(false),
        Ok(common::XRateLimitHeadersRfcVersion::DraftVersion03) => Ok(true),
        Err(_) => Err(Fault::new(
            "enable_x_ratelimit_headers",
            format!("{version} is none"),
        )),
    }
}

/// How many connections a filter of a chain lets pass; nothing where it is switched off.
pub(super) fn of_connections(pb: &network::LocalRateLimit) -> Compiled<Option<ConnectionLimit>> {
    if !pb.share_key.is_empty() {
        return Err(Fault::unsupported("typed_config.share_key"));
    }
    let limit = connections(pb).at("typed_config")?;
    let enabled = pb.runtime_enabled.as_ref();
    let enabled = enabled.is_none_or(|flag| is_true_or(flag.default_value.as_ref(), true));
    Ok(enabled.then_some(limit))
}

fn connections(pb: &network::LocalRateLimit) -> Compiled<ConnectionLimit> {
    let prefix = text(&pb.stat_prefix).ok_or_else(|| Fault::missing("stat_prefix"))?;
    Ok(ConnectionLimit::new(
        prefix,
        filling(pb.token_bucket.as_ref())?,
    ))
}

#[cfg(test)]
mod tests;
