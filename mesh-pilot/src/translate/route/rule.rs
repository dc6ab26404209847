//! The rules of one VirtualService as routes.

use std::collections::HashMap;

use mesh_proto::Any;
use mesh_proto::envoy::envoy::config::core::v3::RuntimeFractionalPercent;
use mesh_proto::envoy::envoy::config::route::v3 as proto;
use mesh_proto::envoy::envoy::config::route::v3::route_action::{
    ClusterSpecifier, HashPolicy, HostRewriteSpecifier, RequestMirrorPolicy,
};
use mesh_proto::envoy::envoy::config::route::v3::route_match::PathSpecifier;
use mesh_proto::envoy::envoy::config::route::v3::weighted_cluster::{
    ClusterWeight, cluster_weight,
};

use super::headers::{host_rewrite, to_add};
use super::matching::{self, Place};
use crate::snapshot::rules::{Destination, HttpMatch, HttpRule, Routing};
use crate::snapshot::view::View;
use crate::translate::tcp_proxy::Manner;
use crate::translate::{hash, message, names};

/// Compiles rules until the first that nothing passes.
pub(super) fn routes(place: Place<'_>, routing: &Routing) -> Vec<proto::Route> {
    let mut out = Vec::new();
    let everything = [HttpMatch::default()];
    for rule in &routing.http {
        let matches = if rule.matches.is_empty() {
            &everything[..]
        } else {
            &rule.matches[..]
        };
        for wanted in matches.iter().filter(|m| place.takes(m)) {
            let made = route(place, routing, rule, wanted);
            let last = is_catch_all(&made);
            out.push(made);
            if last {
                return out;
            }
        }
    }
    out
}

/// Whether nothing passes the route.
pub(super) fn is_catch_all(route: &proto::Route) -> bool {
    route.r#match.as_ref().is_some_and(matching::is_catch_all)
}

fn route(place: Place<'_>, routing: &Routing, rule: &HttpRule, wanted: &HttpMatch) -> proto::Route {
    let matched = matching::route_match(wanted);
    let (cluster, only) = cluster_specifier(place, &rule.route);
    let operation = operation(place, routing, &matched, only);
    let mut action = super::forward(cluster, rule.timeout);
    action.hash_policy = hash_policies(place, &rule.route);
    action.request_mirror_policies = mirrors(place, &rule.mirrors);
    let rewrite = host_rewrite(&rule.headers.request)
        .or_else(|| only.and_then(|only| host_rewrite(&only.headers.request)));
    action.host_rewrite_specifier =
        rewrite.map(|host| HostRewriteSpecifier::HostRewriteLiteral(host.to_owned()));
    let mut made = proto::Route {
        name: name(rule, wanted),
        r#match: Some(matched),
        metadata: Some(message::config_metadata(&routing.config)),
        decorator: super::decorated(operation),
        typed_per_filter_config: filters(rule),
        action: Some(proto::route::Action::Route(action)),
        ..Default::default()
    };
    // With one destination its operations are the route's: there is no weighted entry for them.
    for operations in [Some(&rule.headers), only.map(|d| &d.headers)]
        .into_iter()
        .flatten()
    {
        let (request, response) = (&operations.request, &operations.response);
        made.request_headers_to_add.extend(to_add(request));
        made.response_headers_to_add.extend(to_add(response));
        let removed = request.remove.iter().cloned();
        made.request_headers_to_remove.extend(removed);
        let removed = response.remove.iter().cloned();
        made.response_headers_to_remove.extend(removed);
    }
    made
}

/// What filters are told of the rule, by their names.
fn filters(rule: &HttpRule) -> HashMap<String, Any> {
    let fault = super::fault::of_route(rule.fault);
    let cors = super::cors::of_route(rule.cors.as_ref());
    fault.into_iter().chain(cors).collect()
}

fn name(rule: &HttpRule, wanted: &HttpMatch) -> String {
    let rule = if rule.name.is_empty() {
        names::DEFAULT_ROUTE
    } else {
        rule.name.as_str()
    };
    if wanted.name.is_empty() {
        rule.to_owned()
    } else {
        format!("{rule}.{}", wanted.name)
    }
}

/// The clusters of a rule; and its destination, if it has exactly one.
fn cluster_specifier<'a>(
    place: Place<'_>,
    route: &'a [Destination],
) -> (ClusterSpecifier, Option<&'a Destination>) {
    if let [only] = route {
        return (ClusterSpecifier::Cluster(cluster(place, only)), Some(only));
    }
    let clusters = route
        .iter()
        .filter(|destination| destination.weight > 0)
        .map(|destination| weighted(place, destination))
        .collect();
    let weighted = proto::WeightedCluster {
        clusters,
        ..Default::default()
    };
    (ClusterSpecifier::WeightedClusters(weighted), None)
}

fn weighted(place: Place<'_>, destination: &Destination) -> ClusterWeight {
    let (request, response) = (&destination.headers.request, &destination.headers.response);
    let rewrite = host_rewrite(request);
    ClusterWeight {
        name: cluster(place, destination),
        weight: message::number(destination.weight),
        request_headers_to_add: to_add(request),
        request_headers_to_remove: request.remove.clone(),
        response_headers_to_add: to_add(response),
        response_headers_to_remove: response.remove.clone(),
        host_rewrite_specifier: rewrite
            .map(|host| cluster_weight::HostRewriteSpecifier::HostRewriteLiteral(host.to_owned())),
        ..Default::default()
    }
}

/// Where copies go; their hosts are marked, and no trace is begun for them.
fn mirrors(place: Place<'_>, mirrors: &[(Destination, u32)]) -> Vec<RequestMirrorPolicy> {
    let policy = |(to, share): &(Destination, u32)| RequestMirrorPolicy {
        cluster: cluster(place, to),
        runtime_fraction: Some(RuntimeFractionalPercent {
            default_value: Some(super::millionths(*share)),
            runtime_key: String::new(),
        }),
        trace_sampled: message::no(),
        ..Default::default()
    };
    mirrors.iter().map(policy).collect()
}

/// How like requests are known: what the DestinationRules of all destinations that get some say, each once.
///
/// departs from istio: which has no retry predicate for a single such destination, so that retries come back
/// to the endpoint that failed. Here they go to the next on the ring.
fn hash_policies(place: Place<'_>, route: &[Destination]) -> Vec<HashPolicy> {
    let mut policies = Vec::new();
    for destination in route
        .iter()
        .filter(|one| route.len() == 1 || one.weight > 0)
    {
        let service = place.view.service(&destination.host);
        let port = port_of(place, destination);
        let found = service.and_then(|s| hash::of_service(s, &destination.subset, port));
        let policy = found.map(|found| hash::route_policy(&found));
        policies.extend(policy.filter(|policy| !policies.contains(policy)));
    }
    policies
}

/// The cluster's name, whether there is such a cluster or not: a missing one answers 503 NC.
fn cluster(place: Place<'_>, destination: &Destination) -> String {
    let host = destination.host.as_str();
    names::outbound_cluster(port_of(place, destination), &destination.subset, host)
}

/// The cluster of a destination of connections that are passed on.
pub(in crate::translate) fn passed(view: &View, port: u16, to: &Destination) -> String {
    let place = Place {
        view,
        port,
        gateway: None,
    };
    cluster(place, to)
}

/// How bytes are passed on to such a destination, if its service is known.
pub(in crate::translate) fn passed_by(view: &View, port: u16, to: &Destination) -> Option<Manner> {
    let place = Place {
        view,
        port,
        gateway: None,
    };
    let service = view.service(&to.host)?;
    Some(Manner::of(&service.blocks(&to.subset, port_of(place, to))))
}

/// The named port, else the only one that the service has, else the one that is compiled for.
fn port_of(place: Place<'_>, destination: &Destination) -> u16 {
    if let Some(port) = destination.port {
        return port;
    }
    match place
        .view
        .service(&destination.host)
        .map(|s| &*s.service.ports)
    {
        Some([only]) => only.port,
        Some(_) | None => place.port,
    }
}

/// What tracing calls the route: `host:port/path` of its only destination, else the
/// VirtualService's name in place of the host.
fn operation(
    place: Place<'_>,
    routing: &Routing,
    matched: &proto::RouteMatch,
    only: Option<&Destination>,
) -> String {
    let path = match &matched.path_specifier {
        Some(PathSpecifier::Path(path)) => path.clone(),
        Some(PathSpecifier::Prefix(prefix) | PathSpecifier::PathSeparatedPrefix(prefix)) => {
            format!("{prefix}*")
        }
        Some(PathSpecifier::SafeRegex(regex)) => regex.regex.clone(),
        _ => "/*".to_owned(),
    };
    match only {
        Some(only) => format!("{}:{}{path}", only.host, port_of(place, only)),
        None => format!("{}:{}{path}", routing.name.name, place.port),
    }
}
