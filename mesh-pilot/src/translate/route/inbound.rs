//! The route table of an inbound port: one route to the application.

use mesh_proto::envoy::envoy::config::route::v3 as proto;
use mesh_proto::envoy::envoy::config::route::v3::route_action::ClusterSpecifier;

use crate::snapshot::view::InboundPort;
use crate::translate::{message, names};

/// istio: `reset-before-request` tells that the application closed an idle connection, which a
/// second try on a fresh one heals; anything else is for the client's side to decide.
const RETRY_ON: &str = "reset-before-request";

/// The table of a port.
pub(in crate::translate) fn table(port: &InboundPort) -> proto::RouteConfiguration {
    let leading = port.services.first();
    let operation = leading.map(|own| format!("{}:{}/*", own.service.hostname, own.port));
    to(names::inbound_cluster(port.port), port.port, operation)
}

/// The table of ports that nobody declares.
pub(in crate::translate) fn undeclared() -> proto::RouteConfiguration {
    to(names::INBOUND_PASSTHROUGH.to_owned(), 0, None)
}

fn to(cluster: String, port: u16, operation: Option<String>) -> proto::RouteConfiguration {
    let action = proto::RouteAction {
        retry_policy: Some(proto::RetryPolicy {
            retry_on: RETRY_ON.into(),
            num_retries: message::number(super::RETRIES),
            ..Default::default()
        }),
        ..super::forward(ClusterSpecifier::Cluster(cluster.clone()), None)
    };
    let route = proto::Route {
        name: names::DEFAULT_ROUTE.into(),
        r#match: Some(super::everything()),
        decorator: operation.and_then(super::decorated),
        action: Some(proto::route::Action::Route(action)),
        ..Default::default()
    };
    let host = super::virtual_host(names::inbound_vhost(port), vec!["*".into()], vec![route]);
    proto::RouteConfiguration {
        name: cluster,
        virtual_hosts: vec![host],
        validate_clusters: message::no(),
        ..Default::default()
    }
}
