//! `HttpConnectionManager` to [`HttpManager`].

use std::sync::Arc;
use std::time::Duration;

use mesh_model::Str;
use mesh_proto::Any;
use mesh_proto::envoy::envoy::config::core::v3::HttpProtocolOptions;
use mesh_proto::envoy::envoy::config::core::v3::http_protocol_options::HeadersWithUnderscoresAction as UnderscoresAction;
use mesh_proto::envoy::envoy::extensions::filters::network::http_connection_manager::v3 as pb;
use mesh_proto::envoy::envoy::extensions::filters::network::http_connection_manager::v3::http_connection_manager::{
    CodecType, ForwardClientCertDetails as Mode, PathWithEscapedSlashesAction as Slashes,
    RouteSpecifier, ServerHeaderTransformation as Server,
};
use mesh_proto::envoy::envoy::extensions::filters::network::http_connection_manager::v3::http_filter::ConfigType;

use super::common::{is_true, is_true_or, limit, number};
use super::{access_log, authz, forward, health_filter, limit as limits, limit_service};
use crate::listener::{
    ClientCertDetails, ClientCertMode, Codec, CorsAt, HttpManager, RouteSource, ServerHeader,
    Underscores,
};
use crate::reject::{At, Compiled, Fault};
use crate::route::RouteTable;

/// Envoy's `stream_idle_timeout`.
const DEFAULT_STREAM_IDLE: Duration = Duration::from_secs(300);
/// Envoy's idle timeout of downstream connections.
const DEFAULT_IDLE: Duration = Duration::from_secs(3600);
/// Envoy's `max_request_headers_kb`.
const DEFAULT_HEAD_KB: u32 = 60;
/// Largest `max_request_headers_kb` that Envoy takes.
const MAX_HEAD_KB: u32 = 8192;
/// Envoy's `server_name`.
const DEFAULT_SERVER: &str = "envoy";
/// The filter that ends every list.
const ROUTER: &str = "envoy.extensions.filters.http.router.v3.Router";
/// The filter that looks after pages of other origins.
pub(super) const CORS: &str = "envoy.extensions.filters.http.cors.v3.Cors";
/// The filter that makes things go wrong.
pub(super) const FAULT: &str = "envoy.extensions.filters.http.fault.v3.HTTPFault";
/// Filters whose work is built in, or that do nothing without configuration of a route, which is
/// refused where it stands.
const BUILT_IN: [&str; 10] = [
    CORS,
    authz::TYPE,
    health_filter::TYPE,
    limit_service::TYPE,
    limits::TYPE,
    "envoy.extensions.filters.http.grpc_stats.v3.FilterConfig",
    FAULT,
    "istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig",
    "io.istio.http.peer_metadata.Config",
    "stats.PluginConfig",
];

pub(super) fn compile(pb: &pb::HttpConnectionManager) -> Compiled<HttpManager> {
    refuse_unsupported(pb)?;
    let common = pb.common_http_protocol_options.as_ref();
    let head_kb = number(pb.max_request_headers_kb.as_ref()).unwrap_or(DEFAULT_HEAD_KB);
    let websocket = pb
        .upgrade_configs
        .iter()
        .find(|u| forward::is_websocket(&u.upgrade_type));
    let authorization = authz::of_manager(&pb.http_filters, &pb.stat_prefix)?;
    let moment = authorization.as_ref().map(|at| at.moment);
    Ok(HttpManager {
        stat_prefix: pb.stat_prefix.as_str().into(),
        codec: codec(pb.codec_type)?,
        routes: routes(pb)?,
        use_remote_address: is_true(pb.use_remote_address.as_ref()),
        trusted_hops: pb.xff_num_trusted_hops,
        client_cert: client_cert(pb.forward_client_cert_details)?,
        client_cert_details: details(pb),
        access_log: access_log::compile(&pb.access_log)?,
        server_name: server_name(&pb.server_name)?,
        server_header: server_header(pb.server_header_transformation)?,
        filters: filters(&pb.http_filters)?,
        cors: cors(&pb.http_filters),
        health: health_filter::of_manager(&pb.http_filters)?,
        limit: limits::of_manager(&pb.http_filters, moment)?,
        authorization,
        service_limit: limit_service::of_manager(&pb.http_filters)?,
        websocket: websocket.is_some_and(|u| is_true_or(u.enabled.as_ref(), true)),
        generate_request_id: is_true_or(pb.generate_request_id.as_ref(), true),
        normalize_path: is_true(pb.normalize_path.as_ref()),
        merge_slashes: pb.merge_slashes,
        underscores: underscores(common)?,
        stream_idle_timeout: limit(
            "stream_idle_timeout",
            pb.stream_idle_timeout.as_ref(),
            Some(DEFAULT_STREAM_IDLE),
        )?,
        idle_timeout: limit(
            "common_http_protocol_options.idle_timeout",
            common.and_then(|common| common.idle_timeout.as_ref()),
            Some(DEFAULT_IDLE),
        )?,
        request_headers_timeout: limit(
            "request_headers_timeout",
            pb.request_headers_timeout.as_ref(),
            None,
        )?,
        max_request_head: head_kb.clamp(1, MAX_HEAD_KB) * 1024,
    })
}

fn refuse_unsupported(pb: &pb::HttpConnectionManager) -> Compiled<()> {
    let slashes = Slashes::try_from(pb.path_with_escaped_slashes_action);
    let keeps = matches!(
        slashes,
        Ok(Slashes::ImplementationSpecificDefault | Slashes::KeepUnchanged)
    );
    let features = [
        (!keeps, "path_with_escaped_slashes_action"),
        (
            pb.path_normalization_options.is_some(),
            "path_normalization_options",
        ),
        (
            !pb.original_ip_detection_extensions.is_empty(),
            "original_ip_detection_extensions",
        ),
        (
            !pb.early_header_mutation_extensions.is_empty(),
            "early_header_mutation_extensions",
        ),
        (
            pb.forward_client_cert_matcher.is_some(),
            "forward_client_cert_matcher",
        ),
        (pb.local_reply_config.is_some(), "local_reply_config"),
        (
            pb.scheme_header_transformation.is_some(),
            "scheme_header_transformation",
        ),
        (pb.strip_matching_host_port, "strip_matching_host_port"),
        (pb.strip_port_mode.is_some(), "strip_port_mode"),
        (
            pb.access_log_flush_interval.is_some(),
            "access_log_flush_interval",
        ),
        (
            pb.flush_access_log_on_new_request,
            "flush_access_log_on_new_request",
        ),
        (
            pb.access_log_options
                .as_ref()
                .is_some_and(|options| *options != Default::default()),
            "access_log_options",
        ),
    ];
    match features.iter().find(|(asked, _)| *asked) {
        Some((_, field)) => Err(Fault::unsupported(*field)),
        None => Ok(()),
    }
}

fn codec(codec: i32) -> Compiled<Codec> {
    match CodecType::try_from(codec) {
        Ok(CodecType::Auto) => Ok(Codec::Auto),
        Ok(CodecType::Http1) => Ok(Codec::Http1),
        Ok(CodecType::Http2) => Ok(Codec::Http2),
        Ok(CodecType::Http3) => Err(Fault::new("codec_type", "HTTP3 is not supported")),
        Err(_) => Err(Fault::new("codec_type", format!("{codec} is none"))),
    }
}

fn routes(pb: &pb::HttpConnectionManager) -> Compiled<RouteSource> {
    match &pb.route_specifier {
        Some(RouteSpecifier::Rds(rds)) if !rds.route_config_name.is_empty() => {
            Ok(RouteSource::Rds(rds.route_config_name.as_str().into()))
        }
        Some(RouteSpecifier::Rds(_)) => Err(Fault::missing("rds.route_config_name")),
        Some(RouteSpecifier::RouteConfig(table)) => {
            let table: RouteTable = super::route::compile(table).at("route_config")?;
            Ok(RouteSource::Inline(Arc::new(table)))
        }
        Some(RouteSpecifier::ScopedRoutes(_)) => Err(Fault::unsupported("scoped_routes")),
        None => Err(Fault::missing("rds or route_config")),
    }
}

fn client_cert(mode: i32) -> Compiled<ClientCertMode> {
    match Mode::try_from(mode) {
        Ok(Mode::Sanitize) => Ok(ClientCertMode::Sanitize),
        Ok(Mode::ForwardOnly) => Ok(ClientCertMode::ForwardOnly),
        Ok(Mode::AppendForward) => Ok(ClientCertMode::AppendForward),
        Ok(Mode::SanitizeSet) => Ok(ClientCertMode::SanitizeSet),
        Ok(Mode::AlwaysForwardOnly) => Ok(ClientCertMode::AlwaysForwardOnly),
        Err(_) => Err(Fault::new(
            "forward_client_cert_details",
            format!("{mode} is none"),
        )),
    }
}

fn details(pb: &pb::HttpConnectionManager) -> ClientCertDetails {
    let details = pb.set_current_client_cert_details.as_ref();
    details.map_or_else(ClientCertDetails::default, |details| ClientCertDetails {
        subject: is_true(details.subject.as_ref()),
        cert: details.cert,
        dns: details.dns,
        uri: details.uri,
    })
}

fn server_name(name: &str) -> Compiled<Str> {
    if name.bytes().any(|b| b.is_ascii_control()) {
        return Err(Fault::new("server_name", "has a control character"));
    }
    Ok(if name.is_empty() {
        DEFAULT_SERVER
    } else {
        name
    }
    .into())
}

fn underscores(common: Option<&HttpProtocolOptions>) -> Compiled<Underscores> {
    let action = common.map_or(0, |common| common.headers_with_underscores_action);
    match UnderscoresAction::try_from(action) {
        Ok(UnderscoresAction::Allow) => Ok(Underscores::Pass),
        Ok(UnderscoresAction::RejectRequest) => Ok(Underscores::Refuse),
        Ok(UnderscoresAction::DropHeader) => Ok(Underscores::Drop),
        Err(_) => Err(Fault::new(
            "common_http_protocol_options.headers_with_underscores_action",
            format!("{action} is none"),
        )),
    }
}

fn server_header(transformation: i32) -> Compiled<ServerHeader> {
    match Server::try_from(transformation) {
        Ok(Server::Overwrite) => Ok(ServerHeader::Overwrite),
        Ok(Server::AppendIfAbsent) => Ok(ServerHeader::AppendIfAbsent),
        Ok(Server::PassThrough) => Ok(ServerHeader::PassThrough),
        Err(_) => Err(Fault::new(
            "server_header_transformation",
            format!("{transformation} is none"),
        )),
    }
}

/// Names of the filters. One that is not known is refused unless it says that it is optional:
/// a check that is left out in silence would let requests pass.
fn filters(list: &[pb::HttpFilter]) -> Compiled<Vec<Str>> {
    for (index, filter) in list.iter().enumerate() {
        known(filter).at_index("http_filters", index)?;
    }
    let last = list.last().and_then(typed);
    match last.is_some_and(|any| message(any) == ROUTER) {
        true => Ok(list.iter().map(|filter| Str::from(&filter.name)).collect()),
        false => Err(Fault::new("http_filters", "the last one is not the router")),
    }
}

fn known(filter: &pb::HttpFilter) -> Compiled<()> {
    if filter.is_optional || filter.disabled {
        return Ok(());
    }
    let any = typed(filter).ok_or_else(|| Fault::missing("typed_config"))?;
    // A fault filter with faults of its own would have something to do.
    let idle = message(any) != FAULT || any.value.is_empty();
    match idle && (message(any) == ROUTER || BUILT_IN.contains(&message(any))) {
        true => Ok(()),
        false => Err(Fault::new(
            "typed_config",
            format!("{:?} is not supported", any.type_url),
        )),
    }
}

/// Whether pages of other origins are looked after, and whether before things go wrong on purpose.
fn cors(list: &[pb::HttpFilter]) -> CorsAt {
    let enabled = list.iter().filter(|filter| !filter.disabled);
    let mut types = enabled.filter_map(|filter| typed(filter).map(message));
    match types.find(|name| [CORS, FAULT].contains(name)) {
        Some(CORS) => CorsAt::BeforeFault,
        Some(_) if types.any(|name| name == CORS) => CorsAt::AfterFault,
        Some(_) | None => CorsAt::Absent,
    }
}

pub(super) fn typed(filter: &pb::HttpFilter) -> Option<&Any> {
    match &filter.config_type {
        Some(ConfigType::TypedConfig(any)) => Some(any),
        Some(ConfigType::ConfigDiscovery(_)) | None => None,
    }
}

pub(super) fn message(any: &Any) -> &str {
    any.type_url.rsplit('/').next().unwrap_or_default()
}
