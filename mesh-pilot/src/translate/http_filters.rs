//! The HTTP filters of a connection manager, in order.
//!
//! Peers' metadata, telemetry and the choice of ALPN are built into our proxy and need no filter.

use mesh_proto::any::pack;
use mesh_proto::envoy::envoy::extensions::filters::http::cors::v3::Cors;
use mesh_proto::envoy::envoy::extensions::filters::http::fault::v3::HttpFault;
use mesh_proto::envoy::envoy::extensions::filters::http::router::v3::Router;
use mesh_proto::envoy::envoy::extensions::filters::network::http_connection_manager::v3 as hcm;

/// The filters of every connection manager.
pub(super) fn filters() -> Vec<hcm::HttpFilter> {
    vec![
        fault(),  // before router: what is aborted is not sent
        cors(),   // istio: after fault, so that preflights fail too
        router(), // last: it ends the chain by sending the request on
    ]
}

/// Those that gRPC's libraries have: they refuse what they do not know.
pub(super) fn of_library() -> Vec<hcm::HttpFilter> {
    vec![fault(), router()]
}

/// Name of the filter by which routes make things go wrong.
pub(super) const FAULT: &str = "envoy.filters.http.fault";

/// Without configuration of its own: routes say what goes wrong.
fn fault() -> hcm::HttpFilter {
    hcm::HttpFilter {
        name: FAULT.into(),
        config_type: Some(hcm::http_filter::ConfigType::TypedConfig(pack(
            &HttpFault::default(),
        ))),
        ..Default::default()
    }
}

/// Name of the filter by which routes let pages of other origins in.
pub(super) const CORS: &str = "envoy.filters.http.cors";

/// Without configuration of its own: routes say who is let in.
fn cors() -> hcm::HttpFilter {
    hcm::HttpFilter {
        name: CORS.into(),
        config_type: Some(hcm::http_filter::ConfigType::TypedConfig(pack(&Cors {}))),
        ..Default::default()
    }
}

fn router() -> hcm::HttpFilter {
    hcm::HttpFilter {
        name: "envoy.filters.http.router".into(),
        config_type: Some(hcm::http_filter::ConfigType::TypedConfig(pack(
            &Router::default(),
        ))),
        ..Default::default()
    }
}
