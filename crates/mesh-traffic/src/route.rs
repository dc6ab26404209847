//! Route tables: which hosts and requests there are, and what happens to them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use mesh_http::{RequestHead, Scheme};
use mesh_model::Str;
use mesh_proto::envoy::envoy::config::route::v3 as pb;

use crate::authz;
use crate::compile;
use crate::cors::Cors;
use crate::fault::Fault;
use crate::hash::HashPolicy;
use crate::limit::descriptor::Recipe;
use crate::limit::service::OfPlace;
use crate::limit::{LocalLimit, Said, follow};
use crate::matching::host::Hosts;
use crate::matching::route::RouteMatch;
use crate::matching::text::Pattern;
use crate::mirror::Mirror;
use crate::reject::Reject;
use crate::retry::RetryPolicy;
use crate::shape::HeaderOps;

/// A compiled route configuration.
#[derive(Debug)]
pub struct RouteTable {
    /// Name of the resource.
    pub name: Str,
    /// Virtual hosts in the order of the resource.
    pub virtual_hosts: Vec<VirtualHost>,
    pub(crate) hosts: Hosts,
    pub(crate) ops: HeaderOps,
    /// Whether the most specific of several header operations comes last and so wins.
    pub(crate) most_specific_wins: bool,
}

/// What happens to requests for certain hosts.
#[derive(Debug)]
pub struct VirtualHost {
    /// Name, for example `reviews.default.svc.cluster.local:9080`.
    pub name: Str,
    /// Domains as written.
    pub domains: Vec<Str>,
    /// Routes; the first that matches counts.
    pub routes: Vec<Route>,
    /// Where requests without TLS are sent instead.
    pub(crate) require_tls: Option<Redirect>,
    /// Whether x-envoy-attempt-count is sent upstream.
    pub attempt_count_in_request: bool,
    /// Whether x-envoy-attempt-count is sent downstream.
    pub attempt_count_in_response: bool,
    pub(crate) rate_limits: Vec<Recipe>,
    pub(crate) ops: HeaderOps,
}

/// What happens to certain requests.
#[derive(Debug)]
pub struct Route {
    /// Name; may be empty.
    pub name: Str,
    /// The object that the route was made from (metadata `istio.config`).
    pub config: Option<Str>,
    /// Name of the operation for traces.
    pub operation: Option<Str>,
    pub(crate) matches: RouteMatch,
    pub(crate) action: RouteAction,
    pub(crate) local_limit: Option<Said>,
    pub(crate) global_limit: Option<Arc<OfPlace>>,
    pub(crate) authorization: Option<Arc<authz::OfPlace>>,
    pub(crate) ops: HeaderOps,
}

#[derive(Debug)]
pub(crate) enum RouteAction {
    Forward(Box<ForwardRoute>),
    Redirect(Redirect),
    Respond(Respond),
}

#[derive(Debug)]
pub(crate) struct ForwardRoute {
    pub(crate) clusters: Vec<WeightedCluster>,
    pub(crate) policy: ForwardPolicy,
    /// How rate limits describe its requests.
    pub(crate) rate_limits: Vec<Recipe>,
    /// Whether they do so as the virtual host says, too.
    pub(crate) includes_host_limits: bool,
}

/// One destination among several.
#[derive(Debug)]
pub(crate) struct WeightedCluster {
    pub(crate) cluster: Str,
    pub(crate) weight: u32,
    pub(crate) host_rewrite: Option<Str>,
    pub(crate) ops: HeaderOps,
}

/// How a route's requests are forwarded, whichever of its clusters they go to.
#[derive(Debug)]
pub struct ForwardPolicy {
    /// How long a request may take with all its attempts; `None` for as long as it likes.
    pub timeout: Option<Duration>,
    /// How long the stream may be silent: `None` says nothing, zero means for ever.
    pub idle_timeout: Option<Duration>,
    /// Bound of the client's own `grpc-timeout`: `None` ignores that header, zero does not bound.
    pub max_grpc_timeout: Option<Duration>,
    /// Whether and when a failed attempt is repeated.
    pub retry: Arc<RetryPolicy>,
    /// What becomes the authority.
    pub host_rewrite: Option<HostRewrite>,
    /// What becomes of the path.
    pub path_rewrite: Option<PathRewrite>,
    /// Whether the former authority goes to x-forwarded-host when it is rewritten.
    pub append_x_forwarded_host: bool,
    /// Status of the answer when there is no such cluster.
    pub cluster_not_found: u16,
    /// Whether the route allows or forbids websockets; `None` leaves it to the listener.
    pub websocket: Option<bool>,
    /// What is made to go wrong.
    pub fault: Option<Arc<Fault>>,
    /// What pages of other origins may do, where the listener looks after it.
    pub cors: Option<Arc<Cors>>,
    /// Where copies of the requests go.
    pub mirrors: Arc<[Mirror]>,
    /// By what like requests are known, for clusters that send them to the same endpoint.
    pub hash: Vec<HashPolicy>,
}

/// What becomes the authority.
#[derive(Debug, Clone)]
pub enum HostRewrite {
    /// This text.
    Literal(Str),
    /// The value of this header, if it is there.
    Header(Str),
    /// The path without its query, with what the pattern finds replaced; nothing happens if nothing is left.
    Path {
        /// What is looked for.
        pattern: Pattern,
        /// By what it is replaced, in the syntax of the regex library (`${1}`).
        with: Str,
    },
    /// The host name of the endpoint, if it has one.
    Endpoint,
}

/// What becomes of a path; queries stay.
#[derive(Debug, Clone)]
pub enum PathRewrite {
    /// The first `len` bytes, which the route matched, are replaced.
    Prefix {
        /// How much is replaced.
        len: usize,
        /// By what.
        with: Str,
    },
    /// The whole path is replaced.
    Whole(Str),
    /// What the pattern finds is replaced; `\1` stands for the first group.
    Regex {
        /// What is looked for.
        pattern: Pattern,
        /// By what, in the syntax of the regex library (`${1}`).
        with: Str,
    },
}

/// An answer that sends the client elsewhere.
#[derive(Debug, Clone)]
pub struct Redirect {
    /// Status: 301, 302, 303, 307 or 308.
    pub status: u16,
    /// Another scheme.
    pub scheme: Option<Scheme>,
    /// Another host.
    pub host: Option<Str>,
    /// Another port.
    pub port: Option<u16>,
    /// Another path.
    pub path: Option<PathRewrite>,
    /// Whether the query is dropped.
    pub strip_query: bool,
}

/// An answer that the proxy gives itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Respond {
    /// Status.
    pub status: u16,
    /// Body; may be empty.
    pub body: Arc<[u8]>,
}

impl RouteTable {
    /// Compiles a resource.
    ///
    /// # Errors
    /// [`Reject`] names the first field that cannot be brought into force.
    pub fn compile(pb: &pb::RouteConfiguration) -> Result<Self, Reject> {
        compile::route::compile(pb).map_err(|fault| fault.of("route configuration", &pb.name))
    }

    /// Takes the place of an older version, and goes on with what that one has counted.
    #[must_use]
    pub fn following(self, before: &Self) -> Self {
        follow(&self.local_limits(), &before.local_limits());
        self
    }

    /// The limits that its places have for themselves.
    #[must_use]
    pub fn local_limits(&self) -> Vec<&Arc<LocalLimit>> {
        let routes = self.virtual_hosts.iter().flat_map(|host| &host.routes);
        let limits = routes.filter_map(|route| match &route.local_limit {
            Some(Said::Limit(limit)) => Some(limit),
            Some(Said::Off) | None => None,
        });
        // Routes share what wider places say.
        let mut seen = BTreeSet::new();
        limits
            .filter(|limit| seen.insert(Arc::as_ptr(limit)))
            .collect()
    }
}

impl PathRewrite {
    /// The new path, with the query of the old one.
    #[must_use]
    pub fn apply(&self, path: &str) -> String {
        let end = path.find(['?', '#']).unwrap_or(path.len());
        let (old, query) = path.split_at_checked(end).unwrap_or((path, ""));
        let mut new = match self {
            Self::Prefix { len, with } => {
                format!("{with}{}", old.get(*len..).unwrap_or_default())
            }
            Self::Whole(with) => with.to_string(),
            Self::Regex { pattern, with } => pattern.replace(old, with),
        };
        if !new.starts_with('/') {
            new.insert(0, '/');
        }
        new.push_str(query);
        new
    }
}

impl Redirect {
    /// The value of the `location` header.
    #[must_use]
    pub fn location(&self, head: &RequestHead) -> String {
        let scheme = self.scheme.unwrap_or(head.scheme);
        let host = match &self.host {
            Some(host) => host,
            // A port that is the old scheme's own would be wrong for the new one.
            None if self.port.is_some() => head.host(),
            None => without_default_port(head, scheme),
        };
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}://{host}{port}{}", scheme.as_str(), self.target(head))
    }

    fn target(&self, head: &RequestHead) -> String {
        let old = match self.strip_query {
            true => head.path_only(),
            false => &head.path,
        };
        match &self.path {
            None => old.to_owned(),
            // istio: a redirect's own query replaces the request's.
            Some(PathRewrite::Whole(with)) if with.contains('?') => with.to_string(),
            Some(rewrite) => rewrite.apply(old),
        }
    }
}

fn without_default_port(head: &RequestHead, scheme: Scheme) -> &str {
    let default = match head.scheme {
        Scheme::Http => ":80",
        Scheme::Https => ":443",
    };
    if scheme == head.scheme {
        return &head.authority;
    }
    head.authority
        .strip_suffix(default)
        .unwrap_or(&head.authority)
}

#[cfg(test)]
mod tests;
