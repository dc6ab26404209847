//! The HTTP filters of a connection manager, in order.
//!
//! Peers' metadata, telemetry and the choice of ALPN are built into our proxy and need no filter.

use mesh_proto::any::pack;
use mesh_proto::envoy::envoy::extensions::filters::http::router::v3::Router;
use mesh_proto::envoy::envoy::extensions::filters::network::http_connection_manager::v3 as hcm;

/// The filters of every connection manager.
pub(super) fn filters() -> Vec<hcm::HttpFilter> {
    vec![
        router(), // last: it ends the chain by sending the request on
    ]
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
