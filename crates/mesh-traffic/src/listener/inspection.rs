//! What must be known of a connection's first bytes before its filter chain can be chosen.
//!
//! That depends on the chains that may take it, and so on its destination where chains are told
//! apart by that: one listener serves all ports of a workload whose connections are redirected.

use std::net::SocketAddr;

use super::{ConnFacts, FilterChain, Listener, Network, Transport};
use crate::matching::chain;

/// What must be known of first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Inspection {
    /// Whether they are TLS, with its ALPN and SNI.
    pub tls: bool,
    /// Whether plain bytes are HTTP.
    pub http: bool,
    /// Which version of HTTP they are, as requests may be read.
    pub version: bool,
    /// Whether TLS may end here, so that a client has to speak first.
    pub ends_tls: bool,
    /// Whether a client that says nothing may be passed on, as the other side may speak first.
    pub may_be_silent: bool,
}

/// The listener filter that tells TLS from other bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Inspector {
    /// Whether there is one.
    pub(crate) present: bool,
    /// Ports, first and last, whose connections it leaves alone.
    pub(crate) disabled: Vec<(u16, u16)>,
}

impl Inspector {
    fn looks_at(&self, port: u16) -> bool {
        let off = |(first, last): &(u16, u16)| (*first..=*last).contains(&port);
        self.present && !self.disabled.iter().any(off)
    }
}

impl Listener {
    /// What must be known of the first bytes of a connection between these two.
    #[must_use]
    pub fn inspection(&self, local: SocketAddr, remote: SocketAddr) -> Inspection {
        let facts = ConnFacts {
            local,
            remote,
            transport: Transport::Raw,
            alpn: &[],
            sni: None,
        };
        let mut found = Inspection {
            tls: self.inspector.looks_at(local.port()),
            ..Inspection::default()
        };
        for index in chain::for_destination(&self.matches, &facts) {
            if let Some(wanted) = self.matches.get(index) {
                found.tls |= wanted.looks_into_bytes();
                found.http |= wanted.tells_http();
            }
            found.may_lead_to(self.chains.get(index));
        }
        found.may_lead_to(self.default_chain.and_then(|index| self.chains.get(index)));
        found.may_be_silent = self.continue_after_inspection
            && self.chain(&facts).is_some_and(|silent| {
                silent.tls.is_none() && matches!(silent.network, Network::Tcp(_))
            });
        found
    }
}

impl Inspection {
    fn may_lead_to(&mut self, chain: Option<&FilterChain>) {
        if let Some(chain) = chain {
            self.version |= matches!(chain.network, Network::Http(_));
            self.ends_tls |= chain.tls.is_some();
        }
    }

    /// Whether nothing can be done before the first bytes are there.
    #[must_use]
    pub fn waits(self) -> bool {
        self.tls || self.version || self.ends_tls
    }
}

#[cfg(test)]
mod tests;
