//! Requests of the proxy's own, each beside a request that it is for: copies of that one, and calls to services that
//! it waits for. They are sent as any other, but once, and they say nothing to anybody: no metric of requests and no
//! line of the log, as with Envoy.

use std::sync::Arc;
use std::time::Duration;

use mesh_http::RequestHead;
use mesh_traffic::RetryPolicy;
use mesh_traffic::cluster::Cluster;

use crate::http::route::Found;
use crate::http::shape::{Forwarding, Plan, Shaped};

/// A request of our own.
#[derive(Debug)]
pub struct OwnRequest {
    /// How it is sent.
    pub shaped: Shaped,
    /// As it goes out.
    pub head: Box<RequestHead>,
}

impl OwnRequest {
    /// To that cluster, in that time, and never again.
    #[must_use]
    pub fn once(head: Box<RequestHead>, cluster: Arc<Cluster>, timeout: Option<Duration>) -> Self {
        let forwarding = Forwarding {
            cluster,
            retry: Arc::new(RetryPolicy::NEVER),
            timeout,
            upgrade: None,
            is_mirrored: false,
            endpoint_names_host: false,
            hash: None,
            cookies: Vec::new(),
        };
        let shaped = Shaped {
            // No route says anything of it: a copy was changed already as its original's says.
            found: Found::nowhere(),
            plan: Plan::Forward(forwarding),
        };
        Self { shaped, head }
    }
}
