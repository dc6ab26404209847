//! Trust bundles: the roots that speak for one trust domain.

use std::fmt;
use std::time::SystemTime;

use mesh_model::ident::{SpiffeId, TrustDomain};
use rustls_pki_types::{CertificateDer, TrustAnchor};

use crate::chain::{self, CertificateFacts, ChainError};

/// Why a text is no trust bundle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ChainError),
    /// A certificate in it is no root of this trust domain.
    #[error("certificate {index} is no root of {trust_domain}: {why}")]
    NotRoot {
        /// Which one, counted from 0.
        index: usize,
        /// The trust domain of the bundle.
        trust_domain: TrustDomain,
        /// Which rule it breaks.
        why: String,
    },
}

/// The roots of a trust domain: one, or several while they are exchanged.
///
/// Holds at least one root, and no root that names another trust domain.
#[derive(Clone, PartialEq, Eq)]
pub struct TrustBundle {
    trust_domain: TrustDomain,
    roots: Vec<CertificateFacts>,
    /// In the order of `roots`.
    anchors: Vec<TrustAnchor<'static>>,
}

impl TrustBundle {
    /// Reads the roots of `trust_domain` from PEM.
    ///
    /// # Errors
    /// The first certificate that cannot be a root; a bundle with one bad entry is refused whole.
    pub fn from_pem(trust_domain: TrustDomain, text: &str) -> Result<Self, BundleError> {
        Self::new(trust_domain, chain::from_pem(text)?)
    }

    /// Makes a bundle of certificates.
    ///
    /// # Errors
    /// As [`TrustBundle::from_pem`].
    pub fn new(
        trust_domain: TrustDomain,
        certificates: Vec<CertificateDer<'static>>,
    ) -> Result<Self, BundleError> {
        if certificates.is_empty() {
            return Err(ChainError::Empty.into());
        }
        let mut roots = Vec::with_capacity(certificates.len());
        let mut anchors = Vec::with_capacity(certificates.len());
        for (index, certificate) in certificates.iter().enumerate() {
            let (root, anchor) =
                root(&trust_domain, certificate).map_err(|why| BundleError::NotRoot {
                    index,
                    trust_domain: trust_domain.clone(),
                    why,
                })?;
            // A root that is listed twice says nothing new.
            if !roots.contains(&root) {
                roots.push(root);
                anchors.push(anchor);
            }
        }
        Ok(Self {
            trust_domain,
            roots,
            anchors,
        })
    }

    /// Whose roots they are.
    #[must_use]
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.trust_domain
    }

    /// The roots.
    #[must_use]
    pub fn roots(&self) -> &[CertificateFacts] {
        &self.roots
    }

    /// All roots as PEM.
    #[must_use]
    pub fn to_pem(&self) -> String {
        let blocks = self.roots.iter().map(|root| chain::to_pem(&root.der));
        blocks.collect()
    }

    /// The anchors of all roots, expired ones too.
    pub(crate) fn anchors(&self) -> &[TrustAnchor<'static>] {
        &self.anchors
    }

    /// The anchors of the roots that are valid at `now`: webpki itself never looks at their dates.
    pub(crate) fn current_anchors(&self, now: SystemTime) -> Vec<TrustAnchor<'_>> {
        let both = self.roots.iter().zip(&self.anchors);
        both.filter(|(root, _)| root.is_current(now))
            .map(|(_, anchor)| borrow(anchor))
            .collect()
    }
}

impl fmt::Debug for TrustBundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let serials: Vec<_> = self
            .roots
            .iter()
            .map(CertificateFacts::serial_hex)
            .collect();
        f.debug_struct("TrustBundle")
            .field("trust_domain", &self.trust_domain)
            .field("roots", &serials)
            .finish()
    }
}

fn borrow<'a>(anchor: &'a TrustAnchor<'static>) -> TrustAnchor<'a> {
    TrustAnchor {
        subject: anchor.subject.as_ref().into(),
        subject_public_key_info: anchor.subject_public_key_info.as_ref().into(),
        name_constraints: anchor.name_constraints.as_ref().map(|c| c.as_ref().into()),
    }
}

fn root(
    trust_domain: &TrustDomain,
    certificate: &CertificateDer<'static>,
) -> Result<(CertificateFacts, TrustAnchor<'static>), String> {
    let facts = chain::facts(certificate).map_err(|error| error.to_string())?;
    check_signing(&facts, trust_domain)?;
    let anchor = webpki::anchor_from_trusted_cert(certificate).map_err(|e| e.to_string())?;
    let anchor = anchor.to_owned();
    Ok((facts, anchor))
}

/// The rules of X509-SVID for a signing certificate.
pub(crate) fn check_signing(
    facts: &CertificateFacts,
    trust_domain: &TrustDomain,
) -> Result<(), String> {
    if !facts.is_ca {
        return Err("its basic constraints do not say CA".into());
    }
    if !facts.signs_certificates {
        return Err("its key usage lacks keyCertSign".into());
    }
    match facts.uris.as_slice() {
        // Roots made by other tools often carry no identity; the bundle says whose they are.
        [] => Ok(()),
        [uri] => match SpiffeId::parse(uri) {
            Ok(id) if !id.path().is_empty() => Err(format!("its identity {id} has a path")),
            Ok(id) if id.trust_domain() != trust_domain => {
                Err(format!("it belongs to trust domain {}", id.trust_domain()))
            }
            Ok(_) => Ok(()),
            Err(error) => Err(error.to_string()),
        },
        uris => Err(format!("it has {} URI names", uris.len())),
    }
}

#[cfg(test)]
mod tests;
