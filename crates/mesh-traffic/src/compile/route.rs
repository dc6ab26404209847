//! `RouteConfiguration` to [`RouteTable`].

use std::collections::HashMap;
use std::sync::Arc;

use mesh_http::Scheme;
use mesh_proto::Any;
use mesh_proto::envoy::envoy::config::core::v3::data_source::Specifier;
use mesh_proto::envoy::envoy::config::route::v3 as pb;
use mesh_proto::envoy::envoy::config::route::v3::route::Action;
use mesh_proto::envoy::envoy::config::route::v3::virtual_host::TlsRequirementType;

use super::common::{metadata_text, number, text};
use super::cors::{self, Said};
use super::ops::{self, lists};
use super::{
    authz, descriptor, fault, forward, limit, limit_service, matcher, mirror, redirect, retry,
};
use crate::authz::OfPlace as Authorized;
use crate::limit::service::OfPlace;
use crate::matching::host::Hosts;
use crate::mirror::Mirror;
use crate::reject::{At, Compiled, Fault};
use crate::retry::RetryPolicy;
use crate::route::{Redirect, Respond, Route, RouteAction, RouteTable, VirtualHost};

/// Envoy's bound for the bodies of direct responses, where the resource names none.
const DEFAULT_MAX_BODY: u32 = 4096;
/// The filters that routes configure.
const OF_ROUTE: [&str; 5] = [
    authz::FILTER,
    fault::FILTER,
    cors::FILTER,
    limit::FILTER,
    limit_service::FILTER,
];
/// Those that tables and virtual hosts configure.
const OF_MANY: [&str; 4] = [
    authz::FILTER,
    cors::FILTER,
    limit::FILTER,
    limit_service::FILTER,
];

pub(crate) fn compile(pb: &pb::RouteConfiguration) -> Compiled<RouteTable> {
    let features = [
        (pb.vhds.is_some(), "vhds"),
        (
            !pb.cluster_specifier_plugins.is_empty(),
            "cluster_specifier_plugins",
        ),
        (!pb.vhost_header.is_empty(), "vhost_header"),
        (
            pb.ignore_path_parameters_in_path_matching,
            "ignore_path_parameters_in_path_matching",
        ),
    ];
    refuse(&features)?;
    refuse_filters(&pb.typed_per_filter_config, &OF_MANY)?;
    let of_table = OfTable {
        max_body: max_body(pb),
        cors: Said::of(&pb.typed_per_filter_config, None)?,
        limit: limit::of_place(&pb.typed_per_filter_config)?,
        service: limit_service::of_place(&pb.typed_per_filter_config)?,
        authorized: authz::of_place(&pb.typed_per_filter_config, None)?,
        mirrors: mirror::mirrors(&pb.request_mirror_policies, &Arc::default())?,
    };
    let mut hosts = Hosts::new(pb.ignore_port_in_host_matching);
    let mut virtual_hosts = Vec::with_capacity(pb.virtual_hosts.len());
    for (index, host) in pb.virtual_hosts.iter().enumerate() {
        add_domains(&mut hosts, &host.domains, index).at_index("virtual_hosts", index)?;
        virtual_hosts.push(virtual_host(host, &of_table).at_index("virtual_hosts", index)?);
    }
    hosts.finish();
    Ok(RouteTable {
        name: pb.name.as_str().into(),
        virtual_hosts,
        hosts,
        ops: ops::compile(&lists!(pb))?,
        most_specific_wins: pb.most_specific_header_mutations_wins,
    })
}

/// Refuses what would change the fate of requests if it were ignored.
pub(super) fn refuse(features: &[(bool, &str)]) -> Compiled<()> {
    match features.iter().find(|(asked, _)| *asked) {
        Some((_, field)) => Err(Fault::unsupported(*field)),
        None => Ok(()),
    }
}

/// Refuses configuration of filters other than those that are `known` in a place.
pub(super) fn refuse_filters(per_filter: &HashMap<String, Any>, known: &[&str]) -> Compiled<()> {
    let others = per_filter
        .keys()
        .filter(|name| !known.contains(&name.as_str()));
    // The smallest name, so that the message does not depend on the map's order.
    match others.min() {
        Some(filter) => Err(Fault::unsupported(format!(
            "typed_per_filter_config[{filter:?}]"
        ))),
        None => Ok(()),
    }
}

fn add_domains(hosts: &mut Hosts, domains: &[String], index: usize) -> Compiled<()> {
    if domains.is_empty() {
        return Err(Fault::missing("domains"));
    }
    for domain in domains {
        if domain.is_empty() {
            return Err(Fault::new("domains", "has an empty entry"));
        }
        if !hosts.insert(domain, index) {
            let why = format!("{domain:?} is claimed more than once in this table");
            return Err(Fault::new("domains", why));
        }
    }
    Ok(())
}

fn max_body(pb: &pb::RouteConfiguration) -> usize {
    let bound = number(pb.max_direct_response_body_size_bytes.as_ref());
    bound.unwrap_or(DEFAULT_MAX_BODY) as usize
}

fn virtual_host(pb: &pb::VirtualHost, of_table: &OfTable) -> Compiled<VirtualHost> {
    let features = [
        (pb.matcher.is_some(), "matcher"),
        (
            pb.retry_policy_typed_config.is_some(),
            "retry_policy_typed_config",
        ),
        (pb.hedge_policy.is_some(), "hedge_policy"),
    ];
    refuse(&features)?;
    refuse_filters(&pb.typed_per_filter_config, &OF_MANY)?;
    let retry = pb
        .retry_policy
        .as_ref()
        .map(retry::compile)
        .transpose()
        .at("retry_policy")?;
    let inherited = Inherited {
        retry: Arc::new(retry.unwrap_or(RetryPolicy::NEVER)),
        max_body: of_table.max_body,
        cors: Said::of(&pb.typed_per_filter_config, pb.cors.as_ref())?.within(&of_table.cors),
        limit: limit::of_place(&pb.typed_per_filter_config)?.or_else(|| of_table.limit.clone()),
        service: limit_service::of_place(&pb.typed_per_filter_config)?
            .or_else(|| of_table.service.clone()),
        authorized: authz::of_place(&pb.typed_per_filter_config, of_table.authorized.as_ref())?,
        mirrors: mirror::mirrors(&pb.request_mirror_policies, &of_table.mirrors)?,
    };
    let routes = pb.routes.iter().enumerate();
    let routes = routes.map(|(i, pb)| inherited.route(pb).at_index("routes", i));
    Ok(VirtualHost {
        name: pb.name.as_str().into(),
        domains: pb.domains.iter().map(|domain| domain.into()).collect(),
        routes: routes.collect::<Compiled<_>>()?,
        require_tls: require_tls(pb.require_tls)?,
        attempt_count_in_request: pb.include_request_attempt_count,
        attempt_count_in_response: pb.include_attempt_count_in_response,
        rate_limits: descriptor::recipes(&pb.rate_limits)?,
        ops: ops::compile(&lists!(pb))?,
    })
}

/// The field in which older control planes say what pages of other origins may do.
fn older_cors(pb: &pb::Route) -> Option<&pb::CorsPolicy> {
    match &pb.action {
        Some(Action::Route(action)) => action.cors.as_ref(),
        _ => None,
    }
}

fn require_tls(requirement: i32) -> Compiled<Option<Redirect>> {
    match TlsRequirementType::try_from(requirement) {
        Ok(TlsRequirementType::None) => Ok(None),
        Ok(TlsRequirementType::All) => Ok(Some(Redirect {
            status: 301,
            scheme: Some(Scheme::Https),
            host: None,
            port: None,
            path: None,
            strip_query: false,
        })),
        Ok(TlsRequirementType::ExternalOnly) => {
            Err(Fault::new("require_tls", "EXTERNAL_ONLY is not supported"))
        }
        Err(_) => Err(Fault::new("require_tls", format!("{requirement} is none"))),
    }
}

/// What virtual hosts take over from their table.
struct OfTable {
    max_body: usize,
    cors: Said,
    limit: Option<limit::Said>,
    service: Option<Arc<OfPlace>>,
    authorized: Option<Arc<Authorized>>,
    mirrors: Arc<[Mirror]>,
}

/// What routes take over from their virtual host and table.
pub(super) struct Inherited {
    pub(super) retry: Arc<RetryPolicy>,
    max_body: usize,
    cors: Said,
    limit: Option<limit::Said>,
    service: Option<Arc<OfPlace>>,
    authorized: Option<Arc<Authorized>>,
    pub(super) mirrors: Arc<[Mirror]>,
}

impl Inherited {
    fn route(&self, pb: &pb::Route) -> Compiled<Route> {
        let filters = &pb.typed_per_filter_config;
        refuse_filters(filters, &OF_ROUTE)?;
        let fault = fault::of_route(filters)?;
        let local_limit = limit::of_place(filters)?.or_else(|| self.limit.clone());
        let global_limit = limit_service::of_place(filters)?.or_else(|| self.service.clone());
        let authorization = authz::of_place(filters, self.authorized.as_ref())?;
        let cors = Said::of(filters, older_cors(pb))?.within(&self.cors);
        let matcher = pb.r#match.as_ref().ok_or_else(|| Fault::missing("match"))?;
        let matches = matcher::route(matcher).at("match")?;
        let action = match &pb.action {
            Some(Action::Route(action)) => forward::compile(action, &matches.path, self)
                .at("route")
                .map(|mut forward| {
                    forward.policy.fault = fault;
                    forward.policy.cors = cors.policy();
                    RouteAction::Forward(Box::new(forward))
                }),
            Some(Action::Redirect(action)) => redirect::compile(action, &matches.path)
                .at("redirect")
                .map(RouteAction::Redirect),
            Some(Action::DirectResponse(action)) => self
                .respond(action)
                .at("direct_response")
                .map(RouteAction::Respond),
            Some(Action::FilterAction(_)) => Err(Fault::unsupported("filter_action")),
            Some(Action::NonForwardingAction(_)) => {
                Err(Fault::unsupported("non_forwarding_action"))
            }
            None => Err(Fault::new("", "has no action")),
        };
        Ok(Route {
            name: pb.name.as_str().into(),
            config: metadata_text(pb.metadata.as_ref(), "istio", "config"),
            operation: pb
                .decorator
                .as_ref()
                .and_then(|decorator| text(&decorator.operation)),
            matches,
            action: action?,
            local_limit,
            global_limit,
            authorization,
            ops: ops::compile(&lists!(pb))?,
        })
    }

    fn respond(&self, pb: &pb::DirectResponseAction) -> Compiled<Respond> {
        let status = u16::try_from(pb.status)
            .ok()
            .filter(|status| (200..600).contains(status));
        let status = status
            .ok_or_else(|| Fault::new("status", format!("{} is not 200 to 599", pb.status)))?;
        if pb.body_format.is_some() {
            return Err(Fault::unsupported("body_format"));
        }
        let body: &[u8] = match pb.body.as_ref().and_then(|body| body.specifier.as_ref()) {
            None => &[],
            Some(Specifier::InlineBytes(bytes)) => bytes,
            Some(Specifier::InlineString(text)) => text.as_bytes(),
            Some(Specifier::Filename(_)) => return Err(Fault::unsupported("body.filename")),
            Some(Specifier::EnvironmentVariable(_)) => {
                return Err(Fault::unsupported("body.environment_variable"));
            }
        };
        if body.len() > self.max_body {
            return Err(Fault::new(
                "body",
                format!("has more than {} bytes", self.max_body),
            ));
        }
        Ok(Respond {
            status,
            body: body.into(),
        })
    }
}
