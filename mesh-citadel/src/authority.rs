//! The way of a request through the house: order, prepare, issue.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mesh_identity::settings::SYSTEM_NAMESPACE;
use mesh_model::ident::SpiffeId;
use mesh_model::time::Clock;
use mesh_pki::chain;
use mesh_pki::key::PublicKey;
use mesh_pki::template::{DnsName, Profile, Serial};

use crate::issue::IssueError;
use crate::issue::issue::{Issued, issue};
use crate::issue::prepare::prepare;
use crate::signer::Signer;

/// A signer with the clock and the chance that the pure steps are given.
#[derive(Clone)]
pub struct Authority {
    signer: Arc<Signer>,
    clock: Arc<dyn Clock>,
    dns_names: Arc<DnsNames>,
    namespace: Arc<str>,
}

/// What else some identities are called.
pub type DnsNames = BTreeMap<SpiffeId, Vec<DnsName>>;

impl Authority {
    /// Joins them.
    #[must_use]
    pub fn new(signer: Signer, clock: Arc<dyn Clock>) -> Self {
        Self {
            signer: Arc::new(signer),
            clock,
            dns_names: Arc::default(),
            namespace: SYSTEM_NAMESPACE.into(),
        }
    }

    /// The same for a mesh of another namespace.
    #[must_use]
    pub fn of_namespace(self, namespace: &str) -> Self {
        Self {
            namespace: namespace.into(),
            ..self
        }
    }

    /// The same, with further names for some identities.
    #[must_use]
    pub fn with_dns_names(self, dns_names: DnsNames) -> Self {
        Self {
            dns_names: Arc::new(dns_names),
            ..self
        }
    }

    /// The signer.
    #[must_use]
    pub fn signer(&self) -> &Signer {
        &self.signer
    }

    /// The namespace of the mesh, and so of citadel.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Issues a certificate for `identity`, which the caller of this has authenticated.
    ///
    /// # Errors
    /// [`IssueError`].
    pub fn issue(
        &self,
        identity: SpiffeId,
        key: PublicKey,
        lifetime: Duration,
    ) -> Result<Issued, IssueError> {
        let dns_names = self.dns_names.get(&identity).cloned().unwrap_or_default();
        let profile = Profile {
            identity,
            dns_names,
            key,
            lifetime,
            serial: Serial::random()?,
        };
        let token = prepare(&profile, &self.signer, self.clock.wall())?;
        issue(token, &self.signer)
    }

    /// An answer's certificates: the leaf first, each in an element with its issuer's behind it,
    /// and all roots in the last one.
    // istio: its agents present everything but the last element, which they take for the roots.
    #[must_use]
    pub fn answer(&self, issued: &Issued) -> Vec<String> {
        let chain = self.signer.chain_of(issued.der());
        let mut answer: Vec<_> = chain.iter().map(chain::to_pem).collect();
        answer.push(self.signer.bundle().to_pem());
        answer
    }
}
