//! `ExtAuthz` of listeners and `ExtAuthzPerRoute` of route tables to [`Authorization`] and what places say of it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use mesh_proto::envoy::envoy::config::core::v3::http_uri::HttpUpstreamType;
use mesh_proto::envoy::envoy::config::core::v3::{
    GrpcService, HeaderValueOption, RuntimeFeatureFlag, header_value_option,
};
use mesh_proto::envoy::envoy::config::route::v3::FilterConfig;
use mesh_proto::envoy::envoy::extensions::filters::http::ext_authz::v3 as pb;
use mesh_proto::envoy::envoy::extensions::filters::http::ext_authz::v3::check_settings::ServiceOverride;
use mesh_proto::envoy::envoy::extensions::filters::http::ext_authz::v3::ext_authz::Services;
use mesh_proto::envoy::envoy::extensions::filters::http::ext_authz::v3::ext_authz_per_route::Override;
use mesh_proto::envoy::envoy::extensions::filters::network::http_connection_manager::v3::HttpFilter;
use mesh_proto::envoy::envoy::r#type::matcher::v3::ListStringMatcher;
use mesh_proto::{Any, any};

use super::common::{duration, is_true, runtime_share, text, unpack};
use super::http::{CORS, FAULT, message, typed};
use super::{grpc, health_filter, limit, limit_service, matcher, ops, route};
use crate::authz::{
    Authorization, AuthorizationAt, Buffering, HttpService, Moment, OfPlace, PathOf, Rules, Service,
};
use crate::fault::Share;
use crate::matching::text::TextMatch;
use crate::reject::{At, Compiled, Fault};
use crate::shape::HeaderOp;

/// Name of the filter, by which routes configure it.
pub(crate) const FILTER: &str = "envoy.filters.http.ext_authz";
/// Type of its configuration.
pub(super) const TYPE: &str = "envoy.extensions.filters.http.ext_authz.v3.ExtAuthz";

/// Envoy's timeout of both kinds of services.
const DEFAULT_TIMEOUT: Duration = Duration::from_millis(200);
/// Envoy's `status_on_error`.
const FORBIDDEN: u16 = 403;
/// Bytes of a body that this proxy keeps for a service: there may be many requests at once.
const MOST_BODY: u32 = 4 * 1024 * 1024;

/// The filter among those of a listener, whose statistics begin with `prefix`.
pub(super) fn of_manager(list: &[HttpFilter], prefix: &str) -> Compiled<Option<AuthorizationAt>> {
    let is_own = |filter: &HttpFilter| typed(filter).is_some_and(|any| message(any) == TYPE);
    let Some(own) = list.iter().position(is_own) else {
        return Ok(None);
    };
    if list.iter().skip(own + 1).any(is_own) {
        let why = "more than one ext_authz filter is not supported";
        return Err(Fault::new("http_filters", why));
    }
    let found = list
        .get(own)
        .and_then(|filter| Some((filter, typed(filter)?)));
    let Some((filter, any)) = found else {
        return Ok(None);
    };
    let compiled = named(filter)
        .and_then(|()| unpack::<pb::ExtAuthz>(any))
        .and_then(|pb| compile(&pb, prefix).at("typed_config"));
    Ok(Some(AuthorizationAt {
        filter: Arc::new(compiled.at_index("http_filters", own)?),
        by_default: !filter.disabled,
        moment: moment(list, own).at_index("http_filters", own)?,
    }))
}

fn named(filter: &HttpFilter) -> Compiled<()> {
    match filter.name == FILTER {
        true => Ok(()),
        false => {
            let why = format!("is not {FILTER:?}, by which routes configure the filter");
            Err(Fault::new("name", why))
        }
    }
}

/// When the service is asked: of the filters with an order here, which stand before this one.
fn moment(list: &[HttpFilter], own: usize) -> Compiled<Moment> {
    let at = |wanted: &str| {
        let is_it = |filter: &HttpFilter| typed(filter).is_some_and(|any| message(any) == wanted);
        list.iter().position(is_it)
    };
    let (cors, fault, limit) = (at(CORS), at(FAULT), at(limit::TYPE));
    let is_before = |other: Option<usize>| other.is_some_and(|other| other < own);
    let is_after = |other: Option<usize>| other.is_some_and(|other| own < other);
    let between = |one: Option<usize>, other: Option<usize>| {
        let name = |index: Option<usize>| {
            let filter = index.and_then(|index| list.get(index));
            filter.map_or("", |filter| filter.name.as_str())
        };
        let why = format!("cannot stand between {:?} and {:?}", name(one), name(other));
        Err(Fault::new("", why))
    };
    if is_after(at(health_filter::TYPE)) {
        // That one answers before anybody is asked.
        return Err(Fault::new("", "must stand after the health_check filter"));
    }
    if !is_before(cors) && !is_before(fault) && !is_before(limit) {
        return Ok(Moment::First);
    }
    if is_after(cors) {
        return between(if is_before(fault) { fault } else { limit }, cors);
    }
    match is_after(fault) {
        // Counting comes before faults, and then before this, or after them.
        true if is_after(limit) && limit < fault => between(cors, limit),
        true => Ok(Moment::BeforeFault),
        false if is_after(limit) => Ok(Moment::BeforeLimit),
        false => Ok(Moment::Last),
    }
}

pub(crate) fn compile(pb: &pb::ExtAuthz, prefix: &str) -> Compiled<Authorization> {
    refuse_unsupported(pb)?;
    grpc::version(pb.transport_api_version)?;
    let of_http = match &pb.services {
        Some(Services::HttpService(http)) => http.authorization_request.as_ref(),
        Some(Services::GrpcService(_)) | None => None,
    };
    if pb.allowed_headers.is_some() && of_http.is_some_and(|it| it.allowed_headers.is_some()) {
        let why = "stands beside http_service.authorization_request.allowed_headers";
        return Err(Fault::new("allowed_headers", why));
    }
    let service = match &pb.services {
        Some(Services::GrpcService(grpc)) => of_grpc(grpc).at("grpc_service")?,
        Some(Services::HttpService(http)) => http_service(http).at("http_service")?,
        None => return Err(Fault::missing("grpc_service or http_service")),
    };
    let enabled = runtime_share(pb.filter_enabled.as_ref()).at("filter_enabled")?;
    let own_prefix = match pb.stat_prefix.as_str() {
        "" => String::new(),
        own => format!(".{}", own.trim_end_matches('.')),
    };
    let most = usize::try_from(pb.max_denied_response_body_bytes).unwrap_or(usize::MAX);
    let body = pb.with_request_body.as_ref().map(buffering).transpose();
    Ok(Authorization::new(Rules {
        stat_prefix: format!("http.{prefix}.ext_authz{own_prefix}").into(),
        service: Arc::new(service),
        passes_on_error: pb.failure_mode_allow,
        marks_passed: pb.failure_mode_allow_header_add,
        error_status: limit_service::status(pb.status_on_error.as_ref(), FORBIDDEN),
        body: body.at("with_request_body")?,
        clears_route: pb.clear_route_cache,
        validates: pb.validate_mutations,
        enabled: enabled.unwrap_or(Share::ALL),
        denies_disabled: flag(pb.deny_at_disable.as_ref()),
        shows_certificate: pb.include_peer_certificate,
        shows_session: pb.include_tls_session,
        allowed: texts(pb.allowed_headers.as_ref(), "allowed_headers")?,
        disallowed: texts(pb.disallowed_headers.as_ref(), "disallowed_headers")?
            .unwrap_or_default(),
        raw_fields: pb.encode_raw_headers,
        most_denied_body: if most == 0 { usize::MAX } else { most },
    }))
}

fn refuse_unsupported(pb: &pb::ExtAuthz) -> Compiled<()> {
    let features = [
        (
            !pb.metadata_context_namespaces.is_empty(),
            "metadata_context_namespaces",
        ),
        (
            !pb.typed_metadata_context_namespaces.is_empty(),
            "typed_metadata_context_namespaces",
        ),
        (
            !pb.route_metadata_context_namespaces.is_empty(),
            "route_metadata_context_namespaces",
        ),
        (
            !pb.route_typed_metadata_context_namespaces.is_empty(),
            "route_typed_metadata_context_namespaces",
        ),
        (
            pb.filter_enabled_metadata.is_some(),
            "filter_enabled_metadata",
        ),
        (
            !pb.bootstrap_metadata_labels_key.is_empty(),
            "bootstrap_metadata_labels_key",
        ),
        (
            pb.decoder_header_mutation_rules.is_some(),
            "decoder_header_mutation_rules",
        ),
        (pb.filter_metadata.is_some(), "filter_metadata"),
        (pb.emit_filter_state_stats, "emit_filter_state_stats"),
        (
            pb.enforce_response_header_limits,
            "enforce_response_header_limits",
        ),
        (pb.shadow_mode, "shadow_mode"),
    ];
    route::refuse(&features)
}

/// What could be changed at run time; here what is written counts always.
fn flag(pb: Option<&RuntimeFeatureFlag>) -> bool {
    pb.is_some_and(|flag| is_true(flag.default_value.as_ref()))
}

fn buffering(pb: &pb::BufferSettings) -> Compiled<Buffering> {
    if !(1..=MOST_BODY).contains(&pb.max_request_bytes) {
        let why = format!("{} is not 1 to {MOST_BODY}", pb.max_request_bytes);
        return Err(Fault::new("max_request_bytes", why));
    }
    Ok(Buffering {
        most: pb.max_request_bytes as usize,
        allows_part: pb.allow_partial_message,
        as_bytes: pb.pack_as_bytes,
    })
}

fn of_grpc(pb: &GrpcService) -> Compiled<Service> {
    let called = grpc::service(pb)?;
    Ok(Service::Grpc {
        cluster: called.cluster,
        authority: called.authority,
        timeout: called.timeout.unwrap_or(DEFAULT_TIMEOUT),
    })
}

fn http_service(pb: &pb::HttpService) -> Compiled<Service> {
    route::refuse(&[(pb.retry_policy.is_some(), "retry_policy")])?;
    let uri = pb.server_uri.as_ref();
    let uri = uri.ok_or_else(|| Fault::missing("server_uri"))?;
    let cluster = match &uri.http_upstream_type {
        Some(HttpUpstreamType::Cluster(name)) => text(name),
        None => None,
    };
    let given = duration("server_uri.timeout", uri.timeout.as_ref())?;
    let default = pb::AuthorizationRequest::default();
    let request = pb.authorization_request.as_ref().unwrap_or(&default);
    let default = pb::AuthorizationResponse::default();
    let response = pb.authorization_response.as_ref().unwrap_or(&default);
    let metadata = response.dynamic_metadata_from_headers.is_some();
    route::refuse(&[(
        metadata,
        "authorization_response.dynamic_metadata_from_headers",
    )])?;
    let of_request = |list: Option<&ListStringMatcher>, field: &str| {
        let list = texts(list, field).at("authorization_request")?;
        Ok(list.unwrap_or_default())
    };
    let of_response = |list: Option<&ListStringMatcher>, field: &str| {
        texts(list, field).at("authorization_response")
    };
    let appended = response.allowed_upstream_headers_to_append.as_ref();
    let on_success = response.allowed_client_headers_on_success.as_ref();
    let to_request = response.allowed_upstream_headers.as_ref();
    let to_client = response.allowed_client_headers.as_ref();
    Ok(Service::Http(HttpService {
        cluster: cluster.ok_or_else(|| Fault::missing("server_uri.cluster"))?,
        // An answer that may take for ever would hold the request for as long.
        timeout: given.filter(|it| !it.is_zero()).unwrap_or(DEFAULT_TIMEOUT),
        path: path(pb)?,
        add: added(request).at("authorization_request")?,
        allowed: of_request(request.allowed_headers.as_ref(), "allowed_headers")?,
        to_request: of_response(to_request, "allowed_upstream_headers")?.unwrap_or_default(),
        added_to_request: of_response(appended, "allowed_upstream_headers_to_append")?
            .unwrap_or_default(),
        // Envoy: an empty list is as good as none.
        to_client: of_response(to_client, "allowed_client_headers")?
            .filter(|list| !list.is_empty()),
        to_client_on_success: of_response(on_success, "allowed_client_headers_on_success")?
            .unwrap_or_default(),
    }))
}

fn path(pb: &pb::HttpService) -> Compiled<PathOf> {
    let stands = |path: &str| path.starts_with('/') && path.bytes().all(|b| b.is_ascii_graphic());
    let wrong = |field: &str| Err(Fault::new(field, "is no path that begins with a slash"));
    match (pb.path_prefix.as_str(), pb.path_override.as_str()) {
        (prefix, "") if prefix.is_empty() || stands(prefix) => Ok(PathOf::After(prefix.into())),
        (_, "") => wrong("path_prefix"),
        ("", path) if stands(path) => Ok(PathOf::Is(path.into())),
        ("", _) => wrong("path_override"),
        (_, _) => Err(Fault::new("path_override", "stands beside path_prefix")),
    }
}

/// What is written into the question, in place of what the client has written there.
fn added(pb: &pb::AuthorizationRequest) -> Compiled<Vec<HeaderOp>> {
    let overwrite = header_value_option::HeaderAppendAction::OverwriteIfExistsOrAdd;
    let options = pb.headers_to_add.iter().map(|header| HeaderValueOption {
        header: Some(header.clone()),
        append_action: overwrite.into(),
        ..Default::default()
    });
    let options: Vec<_> = options.collect();
    let mut ops = Vec::with_capacity(options.len());
    ops::puts(&mut ops, &options, "headers_to_add")?;
    Ok(ops)
}

fn texts(list: Option<&ListStringMatcher>, field: &str) -> Compiled<Option<Vec<TextMatch>>> {
    let Some(list) = list else { return Ok(None) };
    let patterns = list.patterns.iter().enumerate();
    let patterns = patterns.map(|(i, pb)| matcher::text(pb).at_index("patterns", i));
    patterns.collect::<Compiled<_>>().at(field).map(Some)
}

/// What a table, a virtual host or a route says of it, with what wider places say.
pub(super) fn of_place(
    per_filter: &HashMap<String, Any>,
    wider: Option<&Arc<OfPlace>>,
) -> Compiled<Option<Arc<OfPlace>>> {
    let Some(any) = per_filter.get(FILTER) else {
        return Ok(wider.cloned());
    };
    let own = said(any).at(&format!("typed_per_filter_config[{FILTER:?}]"))?;
    Ok(Some(Arc::new(match wider {
        Some(wider) => own.within(wider),
        None => own,
    })))
}

fn said(any: &Any) -> Compiled<OfPlace> {
    if !any::is::<FilterConfig>(any) {
        return place(&unpack(any)?);
    }
    let wrapped: FilterConfig = unpack(any)?;
    match (wrapped.disabled, &wrapped.config) {
        (true, _) => Ok(OfPlace {
            off: true,
            ..Default::default()
        }),
        // Envoy: where it is switched off by default, this alone switches it on.
        (false, Some(inner)) if inner.type_url.is_empty() => Ok(OfPlace::default()),
        (false, Some(inner)) => place(&unpack(inner)?),
        (false, None) => Err(Fault::missing("config")),
    }
}

fn place(pb: &pb::ExtAuthzPerRoute) -> Compiled<OfPlace> {
    match &pb.r#override {
        Some(Override::Disabled(off)) => Ok(OfPlace {
            off: *off,
            ..Default::default()
        }),
        Some(Override::CheckSettings(pb)) => settings(pb).at("check_settings"),
        None => Err(Fault::missing("disabled or check_settings")),
    }
}

fn settings(pb: &pb::CheckSettings) -> Compiled<OfPlace> {
    let body = pb.with_request_body.as_ref().map(buffering).transpose();
    let body = match (
        pb.disable_request_body_buffering,
        body.at("with_request_body")?,
    ) {
        (true, Some(_)) => {
            let why = "stands beside disable_request_body_buffering";
            return Err(Fault::new("with_request_body", why));
        }
        (true, None) => Some(None),
        (false, own) => own.map(Some),
    };
    let service = match &pb.service_override {
        Some(ServiceOverride::GrpcService(grpc)) => Some(of_grpc(grpc).at("grpc_service")?),
        Some(ServiceOverride::HttpService(http)) => Some(http_service(http).at("http_service")?),
        None => None,
    };
    let extensions = pb.context_extensions.iter();
    Ok(OfPlace {
        off: false,
        body,
        extensions: extensions.map(|(k, v)| (k.clone(), v.clone())).collect(),
        service: service.map(Arc::new),
    })
}

#[cfg(test)]
mod tests;
