//! Whether a listener that changed serves its open connections as before.
//!
//! Routes may change under a connection; anything else that a listener says was settled when the
//! connection was made. Fields are taken apart so that a new one cannot be forgotten here.

use super::{FilterChain, HttpManager, Listener, Network, RouteSource};

impl Listener {
    /// Whether the two differ in nothing but the routes of their requests.
    #[must_use]
    pub fn same_but_routes(&self, other: &Self) -> bool {
        let Self {
            name,
            address,
            more_addresses,
            original,
            bind_to_port,
            direction,
            authority,
            inspection_timeout,
            continue_after_inspection,
            chains,
            matches,
            default_chain,
            inspector,
        } = self;
        *name == other.name
            && *address == other.address
            && *bind_to_port == other.bind_to_port
            && *direction == other.direction
            && *authority == other.authority
            && *more_addresses == other.more_addresses
            && *original == other.original
            && *inspector == other.inspector
            && *inspection_timeout == other.inspection_timeout
            && *continue_after_inspection == other.continue_after_inspection
            && *matches == other.matches
            && *default_chain == other.default_chain
            && chains.len() == other.chains.len()
            && chains
                .iter()
                .zip(&other.chains)
                .all(|(a, b)| a.same_but_routes(b))
    }
}

impl FilterChain {
    fn same_but_routes(&self, other: &Self) -> bool {
        let Self {
            name,
            tls,
            limits,
            network,
        } = self;
        let same_network = match (network, &other.network) {
            (Network::Http(a), Network::Http(b)) => a.same_but_routes(b),
            (Network::Tcp(a), Network::Tcp(b)) => a == b,
            (Network::Http(_), Network::Tcp(_)) | (Network::Tcp(_), Network::Http(_)) => false,
        };
        *name == other.name && *tls == other.tls && *limits == other.limits && same_network
    }
}

impl HttpManager {
    fn same_but_routes(&self, other: &Self) -> bool {
        let Self {
            stat_prefix,
            codec,
            routes,
            use_remote_address,
            trusted_hops,
            client_cert,
            client_cert_details,
            access_log,
            server_name,
            server_header,
            filters,
            cors,
            health,
            authorization,
            limit,
            service_limit,
            websocket,
            generate_request_id,
            normalize_path,
            merge_slashes,
            underscores,
            stream_idle_timeout,
            idle_timeout,
            request_headers_timeout,
            max_request_head,
        } = self;
        *stat_prefix == other.stat_prefix
            && *codec == other.codec
            && routes.same_source(&other.routes)
            && *use_remote_address == other.use_remote_address
            && *trusted_hops == other.trusted_hops
            && *client_cert == other.client_cert
            && *client_cert_details == other.client_cert_details
            && *access_log == other.access_log
            && *server_name == other.server_name
            && *server_header == other.server_header
            && *filters == other.filters
            && *cors == other.cors
            && *health == other.health
            && *authorization == other.authorization
            && *limit == other.limit
            && *service_limit == other.service_limit
            && *websocket == other.websocket
            && *generate_request_id == other.generate_request_id
            && *normalize_path == other.normalize_path
            && *merge_slashes == other.merge_slashes
            && *underscores == other.underscores
            && *stream_idle_timeout == other.stream_idle_timeout
            && *idle_timeout == other.idle_timeout
            && *request_headers_timeout == other.request_headers_timeout
            && *max_request_head == other.max_request_head
    }
}

impl RouteSource {
    fn same_source(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Rds(a), Self::Rds(b)) => a == b,
            (Self::Inline(_), Self::Inline(_)) => true,
            (Self::Rds(_), Self::Inline(_)) | (Self::Inline(_), Self::Rds(_)) => false,
        }
    }
}
