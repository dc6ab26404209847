//! One match of a rule, as Envoy's route match; and which matches a proxy takes over at all.

use std::collections::BTreeMap;

use mesh_model::name::NamespacedName;
use mesh_proto::envoy::envoy::config::route::v3 as proto;
use mesh_proto::envoy::envoy::config::route::v3::header_matcher::HeaderMatchSpecifier;
use mesh_proto::envoy::envoy::config::route::v3::query_parameter_matcher::QueryParameterMatchSpecifier;
use mesh_proto::envoy::envoy::config::route::v3::route_match::PathSpecifier;
use mesh_proto::envoy::envoy::r#type::matcher::v3 as matcher;
use mesh_proto::envoy::envoy::r#type::matcher::v3::string_matcher::MatchPattern;

use crate::snapshot::rules::{GatewayRef, HttpMatch, TextMatch};
use crate::snapshot::view::View;
use crate::translate::message;

/// Names that Istio keeps for the fields of the same name; as header keys they are ignored.
const RESERVED_KEYS: [&str; 4] = ["uri", "scheme", "method", "authority"];

/// Which proxy's which port routes are compiled for.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    /// The proxy's view.
    pub(super) view: &'a View,
    /// The service's port at sidecars, the declared port at gateways.
    pub(super) port: u16,
    /// The Gateway by which a VirtualService is bound; none at sidecars.
    pub(super) gateway: Option<&'a NamespacedName>,
}

impl Place<'_> {
    /// Whether the static conditions of a match hold here.
    pub(super) fn takes(&self, wanted: &HttpMatch) -> bool {
        let port = wanted.port.is_none_or(|port| port == self.port);
        let namespace =
            wanted.source_namespace.is_empty() || wanted.source_namespace == self.view.namespace;
        // istio: a match that names gateways is not about who calls.
        let labels = (self.gateway.is_some() && !wanted.gateways.is_empty())
            || self.view.labels.contain(&wanted.source_labels);
        let gateways = wanted.gateways.is_empty() || self.is_among(&wanted.gateways);
        port && namespace && labels && gateways
    }

    /// Whether this proxy is one of those named.
    pub(super) fn is_among(&self, gateways: &[GatewayRef]) -> bool {
        gateways.iter().any(|named| match (named, self.gateway) {
            (GatewayRef::Mesh, None) => true,
            (GatewayRef::Named(name), Some(own)) => name == own,
            (GatewayRef::Mesh, Some(_)) | (GatewayRef::Named(_), None) => false,
        })
    }
}

/// Compiles the conditions that depend on the request. Headers are sorted by name, and stand
/// before method, authority and scheme.
pub(super) fn route_match(wanted: &HttpMatch) -> proto::RouteMatch {
    let present = named(&wanted.headers).map(|(name, text)| header(name, text));
    let absent = named(&wanted.without_headers).map(|(name, text)| proto::HeaderMatcher {
        invert_match: true,
        treat_missing_header_as_empty: text.is_some(),
        ..header(name, text)
    });
    let mut headers: Vec<_> = present.chain(absent).collect();
    headers.sort_by(|a, b| a.name.cmp(&b.name));
    let pseudo = [
        (":method", &wanted.method),
        (":authority", &wanted.authority),
        (":scheme", &wanted.scheme),
    ];
    let pseudo = pseudo
        .into_iter()
        .filter_map(|(name, text)| text.as_ref().map(|text| header(name, Some(text))));
    headers.extend(pseudo);
    proto::RouteMatch {
        case_sensitive: if wanted.ignore_uri_case {
            message::no()
        } else {
            message::yes()
        },
        headers,
        query_parameters: named(&wanted.query_params).map(query).collect(),
        path_specifier: Some(path(wanted)),
        ..Default::default()
    }
}

/// Whether nothing can pass a route with this match: rules behind it are unreachable.
pub(super) fn is_catch_all(found: &proto::RouteMatch) -> bool {
    let any_path = match &found.path_specifier {
        Some(PathSpecifier::Prefix(prefix)) => prefix == "/",
        Some(PathSpecifier::SafeRegex(regex)) => regex.regex == ".*",
        _ => false,
    };
    any_path && found.headers.is_empty() && found.query_parameters.is_empty()
}

type Texts = BTreeMap<String, Option<TextMatch>>;

fn named(texts: &Texts) -> impl Iterator<Item = (&String, Option<&TextMatch>)> {
    texts
        .iter()
        .filter(|(name, _)| !RESERVED_KEYS.contains(&name.as_str()))
        .map(|(name, text)| (name, text.as_ref().filter(|text| !is_presence(text))))
}

/// istio: the regex `*`, invalid as such, means presence (issue 20629).
fn is_presence(text: &TextMatch) -> bool {
    matches!(text, TextMatch::Regex(regex) if regex == "*")
}

fn path(wanted: &HttpMatch) -> PathSpecifier {
    match wanted.uri.as_ref() {
        Some(TextMatch::Prefix(prefix)) if wanted.whole_segments => {
            PathSpecifier::PathSeparatedPrefix(prefix.clone())
        }
        None => PathSpecifier::Prefix("/".into()),
        Some(TextMatch::Prefix(prefix)) if prefix.is_empty() => PathSpecifier::Prefix("/".into()),
        Some(TextMatch::Prefix(prefix)) => PathSpecifier::Prefix(prefix.clone()),
        Some(TextMatch::Exact(path)) => PathSpecifier::Path(path.clone()),
        Some(TextMatch::Regex(regex)) => PathSpecifier::SafeRegex(safe_regex(regex)),
    }
}

fn header(name: &str, text: Option<&TextMatch>) -> proto::HeaderMatcher {
    proto::HeaderMatcher {
        name: name.to_owned(),
        header_match_specifier: Some(match text {
            Some(text) => HeaderMatchSpecifier::StringMatch(string_matcher(text)),
            None => HeaderMatchSpecifier::PresentMatch(true),
        }),
        ..Default::default()
    }
}

fn query((name, text): (&String, Option<&TextMatch>)) -> proto::QueryParameterMatcher {
    proto::QueryParameterMatcher {
        name: name.clone(),
        query_parameter_match_specifier: Some(match text {
            Some(text) => QueryParameterMatchSpecifier::StringMatch(string_matcher(text)),
            None => QueryParameterMatchSpecifier::PresentMatch(true),
        }),
    }
}

pub(super) fn string_matcher(text: &TextMatch) -> matcher::StringMatcher {
    matcher::StringMatcher {
        ignore_case: false,
        match_pattern: Some(match text {
            TextMatch::Exact(text) => MatchPattern::Exact(text.clone()),
            TextMatch::Prefix(text) => MatchPattern::Prefix(text.clone()),
            TextMatch::Regex(regex) => MatchPattern::SafeRegex(safe_regex(regex)),
        }),
    }
}

fn safe_regex(regex: &str) -> matcher::RegexMatcher {
    matcher::RegexMatcher {
        regex: regex.to_owned(),
        ..Default::default()
    }
}
