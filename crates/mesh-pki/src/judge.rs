//! Judges the chains of peers by one bundle, and remembers which it has found good.
//!
//! Most handshakes of a sidecar are with peers that it has met. What was proved of a chain, byte for byte,
//! holds for as long as the roots are the same and no date has passed, so it is not proved again. That a
//! peer has the leaf's key is no part of this: its signature is checked in each handshake.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use aws_lc_rs::digest;
use mesh_model::ident::SpiffeId;
use rustls_pki_types::CertificateDer;

use crate::bundle::TrustBundle;
use crate::chain;
use crate::svid::{SvidError, Usage, validate_x509_svid};

/// How many chains are remembered. Only those that our own CA has signed ever are.
const MOST: usize = 512;

/// A chain and what it is presented for.
type Fingerprint = [u8; digest::SHA256_OUTPUT_LEN];

/// What is known of a chain.
#[derive(Debug)]
struct Proof {
    identity: SpiffeId,
    /// When it was proved; a clock that was set back proves it anew.
    from: SystemTime,
    /// The first of all dates on which a certificate of the chain or a root ends.
    until: SystemTime,
}

/// A bundle and the chains that it was found to vouch for.
pub(crate) struct Judge {
    bundle: Arc<TrustBundle>,
    /// Replaced as a whole by each peer that is new; the proofs themselves are shared.
    proofs: ArcSwap<HashMap<Fingerprint, Arc<Proof>>>,
}

impl Judge {
    pub(crate) fn new(bundle: Arc<TrustBundle>) -> Self {
        Self {
            bundle,
            proofs: ArcSwap::default(),
        }
    }

    pub(crate) fn bundle(&self) -> &Arc<TrustBundle> {
        &self.bundle
    }

    /// As [`validate_x509_svid`], of a leaf and what was presented with it.
    pub(crate) fn validate(
        &self,
        chain: &[CertificateDer<'_>],
        usage: Usage,
        now: SystemTime,
    ) -> Result<SpiffeId, SvidError> {
        let fingerprint = fingerprint(chain, usage)?;
        if let Some(proof) = self.proofs.load().get(&fingerprint)
            && (proof.from..=proof.until).contains(&now)
        {
            return Ok(proof.identity.clone());
        }
        let identity = validate_x509_svid(chain, &self.bundle, usage, now)?;
        if let Some(until) = self.until(chain, now) {
            let proof = Arc::new(Proof {
                identity: identity.clone(),
                from: now,
                until,
            });
            self.remember(fingerprint, &proof, now);
        }
        Ok(identity)
    }

    /// Until when nothing about a chain changes that was found good.
    fn until(&self, chain: &[CertificateDer<'_>], now: SystemTime) -> Option<SystemTime> {
        let roots = self.bundle.roots().iter();
        let roots = roots.filter(|root| root.is_current(now));
        let mut until = roots.map(|root| root.not_after).min()?;
        for certificate in chain {
            until = until.min(chain::facts(certificate).ok()?.not_after);
        }
        Some(until)
    }

    fn remember(&self, fingerprint: Fingerprint, proof: &Arc<Proof>, now: SystemTime) {
        self.proofs.rcu(|known| {
            // What has ended is of no use to anybody.
            let current = known.iter().filter(|(_, proof)| proof.until >= now);
            let mut known: HashMap<_, _> = current
                .map(|(of, proof)| (*of, Arc::clone(proof)))
                .collect();
            if known.len() >= MOST {
                known.clear();
            }
            known.insert(fingerprint, Arc::clone(proof));
            known
        });
    }
}

impl fmt::Debug for Judge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.bundle.fmt(f)
    }
}

/// Of use and certificates; each is hashed with its length, or the same bytes cut elsewhere would look alike.
fn fingerprint(chain: &[CertificateDer<'_>], usage: Usage) -> Result<Fingerprint, SvidError> {
    let mut hash = digest::Context::new(&digest::SHA256);
    hash.update(match usage {
        Usage::Client => b"client",
        Usage::Server => b"server",
    });
    for certificate in chain {
        hash.update(&certificate.len().to_be_bytes());
        hash.update(certificate);
    }
    let hash = hash.finish();
    // Of this length by its algorithm.
    Fingerprint::try_from(hash.as_ref()).map_err(|error| SvidError::Damaged(error.to_string()))
}

#[cfg(test)]
mod tests;
