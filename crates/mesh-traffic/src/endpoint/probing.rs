//! What an assignment says of how an endpoint is probed.

use std::net::SocketAddr;
use std::sync::Arc;

use mesh_model::Str;

/// How an endpoint is probed, where its cluster has a health check.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Probing {
    /// What is said of it, if anything is.
    pub terms: Option<Arc<ProbeTerms>>,
    /// Whether it is left out when it is counted how many could take requests.
    pub excluded: bool,
}

/// What is said of how an endpoint is probed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProbeTerms {
    /// The port that is asked instead of its own.
    pub port: Option<u16>,
    /// The host that is asked for.
    pub hostname: Option<Str>,
    /// The address that is asked instead of its own.
    pub address: Option<SocketAddr>,
    /// It is not probed.
    pub off: bool,
}

impl Probing {
    /// Whether it is never probed.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.terms.as_deref().is_some_and(|terms| terms.off)
    }
}
