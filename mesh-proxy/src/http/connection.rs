//! What is known of a downstream connection: the same for all of its requests.

use std::net::SocketAddr;
use std::sync::Arc;

use mesh_model::Str;
use mesh_model::ident::SpiffeId;
use mesh_traffic::RouteTable;
use mesh_traffic::config::Config;
use mesh_traffic::limit::OfConnection;
use mesh_traffic::listener::{Direction, FilterChain, HttpManager, Listener, Network, RouteSource};
use mesh_traffic::template::Tls;

use crate::http::head::client_cert::Element;

/// A downstream connection.
#[derive(Debug)]
pub struct Connection {
    /// The listener that took it.
    pub listener: Arc<Listener>,
    /// Index of the chain that serves it.
    pub chain: usize,
    /// The client's address.
    pub client: SocketAddr,
    /// The address that the client connected to.
    pub local: SocketAddr,
    /// Whether it is TLS.
    pub tls: bool,
    /// What was agreed on with its client, if it is.
    pub agreed: Option<Tls>,
    /// Server name that the client asked for.
    pub sni: Option<Str>,
    /// Who the client is, by its certificate.
    pub peer: Option<Peer>,
    /// Its certificate in PEM, as it stands in a URL, where a service is to see it.
    pub certificate: Option<Str>,
    /// Who we are, for x-forwarded-client-cert.
    pub own_identity: Option<Str>,
    /// How many requests it has left, where limits count connections apart.
    pub limits: OfConnection,
    /// What x-forwarded-client-cert says of the client.
    pub(crate) element: Element,
}

/// A client that has proved who it is.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Its identity.
    pub identity: SpiffeId,
    /// Its identity as text.
    pub text: Str,
    /// SHA-256 of its certificate in hexadecimal.
    pub certificate_hash: Str,
}

/// A listener and one of its chains, as the configuration of one request has them.
#[derive(Debug, Clone)]
pub struct Served {
    /// The listener.
    pub listener: Arc<Listener>,
    /// The routes of its chain, if they are there.
    pub table: Option<Arc<RouteTable>>,
    chain: usize,
}

impl Connection {
    /// The listener and chain that serve a request under `config`.
    ///
    /// A listener of which only the routes changed serves its open connections with the new ones;
    /// otherwise a connection keeps the listener that took it and drains.
    #[must_use]
    pub fn served(&self, config: &Config) -> Served {
        let current = config.listeners.get(&self.listener.name);
        let listener = match current {
            Some(current)
                if Arc::ptr_eq(current, &self.listener)
                    || current.same_but_routes(&self.listener) =>
            {
                current
            }
            Some(_) | None => &self.listener,
        };
        let mut served = Served {
            listener: listener.clone(),
            table: None,
            chain: self.chain,
        };
        served.table = match served.manager().map(|manager| &manager.routes) {
            Some(RouteSource::Rds(name)) => config.route_table(name).cloned(),
            Some(RouteSource::Inline(table)) => Some(table.clone()),
            None => None,
        };
        served
    }

    /// Whether its client may be anybody: it enters the mesh here.
    #[must_use]
    pub fn is_edge(&self) -> bool {
        let chain = self.listener.chains.get(self.chain);
        match chain.map(|chain| &chain.network) {
            Some(Network::Http(manager)) => manager.use_remote_address,
            Some(Network::Tcp(_)) | None => false,
        }
    }

    /// Whose requests these are.
    #[must_use]
    pub fn direction(&self) -> Direction {
        self.listener.direction
    }
}

impl Served {
    /// The chain.
    #[must_use]
    pub fn chain(&self) -> Option<&FilterChain> {
        self.listener.chains.get(self.chain)
    }

    /// How HTTP is served on this chain.
    #[must_use]
    pub fn manager(&self) -> Option<&HttpManager> {
        match &self.chain()?.network {
            Network::Http(manager) => Some(manager),
            Network::Tcp(_) => None,
        }
    }
}
