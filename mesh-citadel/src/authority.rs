//! The way of a request through the house: order, prepare, issue.

use std::sync::Arc;
use std::time::Duration;

use mesh_model::ident::SpiffeId;
use mesh_model::time::Clock;
use mesh_pki::chain;
use mesh_pki::key::PublicKey;
use mesh_pki::template::{Profile, Serial};

use crate::issue::IssueError;
use crate::issue::issue::{Issued, issue};
use crate::issue::prepare::prepare;
use crate::signer::Signer;

/// A signer with the clock and the chance that the pure steps are given.
#[derive(Clone)]
pub struct Authority {
    signer: Arc<Signer>,
    clock: Arc<dyn Clock>,
}

impl Authority {
    /// Joins them.
    #[must_use]
    pub fn new(signer: Signer, clock: Arc<dyn Clock>) -> Self {
        Self {
            signer: Arc::new(signer),
            clock,
        }
    }

    /// The signer.
    #[must_use]
    pub fn signer(&self) -> &Signer {
        &self.signer
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
        let profile = Profile {
            identity,
            key,
            lifetime,
            serial: Serial::random()?,
        };
        let token = prepare(&profile, &self.signer, self.clock.wall())?;
        issue(token, &self.signer)
    }

    /// An answer's certificates: the leaf first, the roots last.
    #[must_use]
    pub fn answer(&self, issued: &Issued) -> Vec<String> {
        vec![chain::to_pem(issued.der()), self.signer.bundle().to_pem()]
    }
}
