//! A whole request against one route.

use mesh_http::RequestHead;

use super::cookie::CookieMatch;
use super::header::HeaderMatch;
use super::path::PathMatch;
use super::query::QueryMatch;

/// What requests a route takes: all conditions hold.
#[derive(Debug, Clone)]
pub(crate) struct RouteMatch {
    pub(crate) path: PathMatch,
    pub(crate) headers: Vec<HeaderMatch>,
    pub(crate) query: Vec<QueryMatch>,
    pub(crate) cookies: Vec<CookieMatch>,
    pub(crate) grpc_only: bool,
}

impl RouteMatch {
    /// `path` is the head's path without its query, taken once for all routes.
    pub(crate) fn matches(&self, head: &RequestHead, path: &str) -> bool {
        self.path.matches(path)
            && (!self.grpc_only || head.is_grpc())
            && self.headers.iter().all(|header| header.matches(head))
            && self.cookies.iter().all(|cookie| cookie.matches(head))
            && (self.query.is_empty() || {
                let query = head.query();
                self.query.iter().all(|parameter| parameter.matches(query))
            })
    }
}
