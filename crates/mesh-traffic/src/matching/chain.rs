//! Which filter chain a connection gets.
//!
//! As Envoy does it: criterion by criterion in a fixed order, each time only the chains with the
//! most specific match stay; there is no way back to one that was dropped before.

use std::net::IpAddr;

use ipnet::IpNet;
use mesh_model::Str;
use smallvec::SmallVec;

use crate::listener::{ConnFacts, Transport};

/// What connections a chain takes; empty lists and `None` take all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ChainMatch {
    pub(crate) destination_port: Option<u16>,
    pub(crate) destinations: Vec<IpNet>,
    /// Lower case; `*.suffix` for all names below.
    pub(crate) server_names: Vec<Str>,
    pub(crate) transport: Option<Transport>,
    pub(crate) alpn: Vec<Str>,
    pub(crate) source_type: SourceType,
    pub(crate) sources: Vec<IpNet>,
    pub(crate) source_ports: Vec<u16>,
}

/// Where the client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum SourceType {
    #[default]
    Any,
    SameIpOrLoopback,
    External,
}

/// How specific a match is; `None` is no match, zero a chain that does not ask.
type Specificity = Option<usize>;

type Criterion = fn(&ChainMatch, &ConnFacts<'_>) -> Specificity;

/// In Envoy's order (`FilterChainMatch`).
const CRITERIA: [Criterion; 8] = [
    ChainMatch::by_destination_port,
    ChainMatch::by_destination,
    ChainMatch::by_server_name,
    ChainMatch::by_transport,
    ChainMatch::by_alpn,
    ChainMatch::by_source_type,
    ChainMatch::by_source,
    ChainMatch::by_source_port,
];

/// How many of them look at nothing but where the connection goes, which is known from the start.
const BY_DESTINATION: usize = 2;

type Indexes = SmallVec<[usize; 16]>;

/// The index of the chain that takes the connection.
pub(crate) fn best(chains: &[ChainMatch], facts: &ConnFacts<'_>) -> Option<usize> {
    left(chains, facts, CRITERIA.len()).first().copied()
}

/// The indexes of the chains that may take a connection, as far as its destination tells.
pub(crate) fn for_destination(chains: &[ChainMatch], facts: &ConnFacts<'_>) -> Indexes {
    left(chains, facts, BY_DESTINATION)
}

fn left(chains: &[ChainMatch], facts: &ConnFacts<'_>, criteria: usize) -> Indexes {
    let mut left: Indexes = (0..chains.len()).collect();
    for criterion in CRITERIA.iter().take(criteria) {
        let score = |index: &usize| chains.get(*index).and_then(|chain| criterion(chain, facts));
        let most = left.iter().filter_map(score).max();
        left.retain(|index| most.is_some() && score(index) == most);
    }
    left
}

impl ChainMatch {
    /// Whether the first bytes of a connection must be known to tell.
    pub(crate) fn looks_into_bytes(&self) -> bool {
        self.transport.is_some() || !self.alpn.is_empty() || !self.server_names.is_empty()
    }

    /// Whether plain bytes are told by the protocol that an HTTP inspector finds.
    pub(crate) fn tells_http(&self) -> bool {
        self.transport != Some(Transport::Tls) && !self.alpn.is_empty()
    }

    fn by_destination_port(&self, facts: &ConnFacts<'_>) -> Specificity {
        match self.destination_port {
            None => Some(0),
            Some(port) => (port == facts.local.port()).then_some(1),
        }
    }

    fn by_destination(&self, facts: &ConnFacts<'_>) -> Specificity {
        by_network(&self.destinations, facts.local.ip())
    }

    fn by_server_name(&self, facts: &ConnFacts<'_>) -> Specificity {
        if self.server_names.is_empty() {
            return Some(0);
        }
        let name = facts.sni?.to_ascii_lowercase();
        let how_well = |want: &Str| match want.strip_prefix('*') {
            Some(suffix) => {
                (name.len() > suffix.len() && name.ends_with(suffix)).then_some(suffix.len())
            }
            // An exact name beats every wildcard.
            None => (want == name.as_str()).then_some(usize::MAX),
        };
        self.server_names.iter().filter_map(how_well).max()
    }

    fn by_transport(&self, facts: &ConnFacts<'_>) -> Specificity {
        match self.transport {
            None => Some(0),
            Some(transport) => (transport == facts.transport).then_some(1),
        }
    }

    fn by_alpn(&self, facts: &ConnFacts<'_>) -> Specificity {
        if self.alpn.is_empty() {
            return Some(0);
        }
        // The client's first wish counts most.
        let offers = facts.alpn.len();
        let wished = facts
            .alpn
            .iter()
            .position(|p| self.alpn.iter().any(|own| own == p))?;
        Some(offers.saturating_sub(wished))
    }

    fn by_source_type(&self, facts: &ConnFacts<'_>) -> Specificity {
        let (local, remote) = (facts.local.ip(), facts.remote.ip());
        let near = local == remote || remote.is_loopback();
        match self.source_type {
            SourceType::Any => Some(0),
            SourceType::SameIpOrLoopback => near.then_some(1),
            SourceType::External => (!near).then_some(1),
        }
    }

    fn by_source(&self, facts: &ConnFacts<'_>) -> Specificity {
        by_network(&self.sources, facts.remote.ip())
    }

    fn by_source_port(&self, facts: &ConnFacts<'_>) -> Specificity {
        match self.source_ports.as_slice() {
            [] => Some(0),
            ports => ports.contains(&facts.remote.port()).then_some(1),
        }
    }
}

fn by_network(networks: &[IpNet], address: IpAddr) -> Specificity {
    if networks.is_empty() {
        return Some(0);
    }
    let holding = networks.iter().filter(|network| network.contains(&address));
    holding
        .map(|network| 1 + usize::from(network.prefix_len()))
        .max()
}

#[cfg(test)]
mod tests;
