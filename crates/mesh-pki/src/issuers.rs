//! The way from a signing certificate up to a root: what a chain needs beside its leaf.

use std::time::SystemTime;

use mesh_model::time::rfc3339;
use rustls_pki_types::CertificateDer;

use crate::bundle::{TrustBundle, check_signing};
use crate::chain::{self, CertificateFacts, ChainError};

/// Why no way leads to a root.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IssuersError {
    /// A certificate cannot be read.
    #[error(transparent)]
    Read(#[from] ChainError),
    /// The way ends before a root.
    #[error("nobody here has signed {0}")]
    Unsigned(String),
    /// The way leads to a root that nobody believes now.
    #[error("the root that signed {0} is not valid at this time")]
    RootNotCurrent(String),
    /// A certificate on the way may not sign.
    #[error("{subject} may not sign: {why}")]
    MayNotSign {
        /// Whose certificate it is.
        subject: String,
        /// Which rule it breaks.
        why: String,
    },
}

/// Those of `given` that lead from `signer` to a root of `bundle`, the one that signed it first.
///
/// Their order does not matter, nor do certificates among them that are not needed. None are needed
/// for a signer that is a root, or that a root has signed.
///
/// # Errors
/// When no way leads to a root, or one on the way would be refused at `now`.
pub fn issuers(
    signer: &CertificateFacts,
    given: &[CertificateDer<'static>],
    bundle: &TrustBundle,
    now: SystemTime,
) -> Result<Vec<CertificateDer<'static>>, IssuersError> {
    let mut left = given
        .iter()
        .map(chain::facts)
        .collect::<Result<Vec<_>, _>>()?;
    let mut way = Vec::new();
    let mut at = signer.clone();
    loop {
        if ends_at_root(&at, bundle, now)? {
            return Ok(way);
        }
        let next = left.iter().position(|candidate| has_signed(candidate, &at));
        // Each is taken once, so that certificates that signed each other make no circle.
        let next = next.map(|place| left.swap_remove(place));
        at = next.ok_or_else(|| IssuersError::Unsigned(subject(&at)))?;
        check(&at, bundle, now)?;
        way.push(at.der.clone());
    }
}

fn ends_at_root(
    at: &CertificateFacts,
    bundle: &TrustBundle,
    now: SystemTime,
) -> Result<bool, IssuersError> {
    let roots = bundle.roots();
    let mut above = roots.iter().filter(|root| has_signed(root, at));
    if roots.contains(at) || above.any(|root| root.is_current(now)) {
        return Ok(true);
    }
    match roots.iter().any(|root| has_signed(root, at)) {
        true => Err(IssuersError::RootNotCurrent(subject(at))),
        false => Ok(false),
    }
}

fn check(at: &CertificateFacts, bundle: &TrustBundle, now: SystemTime) -> Result<(), IssuersError> {
    let may_not = |why: String| IssuersError::MayNotSign {
        subject: subject(at),
        why,
    };
    check_signing(at, bundle.trust_domain()).map_err(may_not)?;
    if at.is_current(now) {
        return Ok(());
    }
    let (from, to) = (rfc3339(at.not_before), rfc3339(at.not_after));
    Err(may_not(format!("it is valid from {from} to {to} only")))
}

/// Whether `parent`'s key made the signature of `child`, which names it as its issuer.
fn has_signed(parent: &CertificateFacts, child: &CertificateFacts) -> bool {
    let (Ok(parent), Ok(child)) = (chain::parse(&parent.der), chain::parse(&child.der)) else {
        return false;
    };
    parent.subject().as_raw() == child.issuer().as_raw()
        && child.verify_signature(Some(parent.public_key())).is_ok()
}

/// A certificate's name for people.
fn subject(facts: &CertificateFacts) -> String {
    match chain::parse(&facts.der) {
        Ok(parsed) if parsed.subject().iter().next().is_some() => {
            format!("\"{}\"", parsed.subject())
        }
        _ => format!("the certificate with serial number {}", facts.serial_hex()),
    }
}

#[cfg(test)]
mod tests;
