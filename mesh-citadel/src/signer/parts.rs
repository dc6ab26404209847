//! A CA as texts, wherever they were read: what they must be to make a signer.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use mesh_model::ident::TrustDomain;
use mesh_model::time::rfc3339;
use mesh_pki::CertificateDer;
use mesh_pki::bundle::TrustBundle;
use mesh_pki::ca::{Ca, CaError};
use mesh_pki::chain::{self, ChainError};
use mesh_pki::issuers::{IssuersError, issuers};
use mesh_pki::key::Key;

use crate::signer::Signer;

/// A signing certificate with less than this left is warned of at each start.
const EXPIRES_SOON: Duration = Duration::from_secs(90 * 24 * 3600);

/// One of the texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// The private key.
    Key,
    /// The signing certificate.
    Certificate,
    /// The certificates between it and a root.
    Issuers,
    /// The roots for everybody.
    Roots,
}

/// How the texts are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// As Istio's secret `cacerts` has them.
    Istio,
    /// As secrets of type kubernetes.io/tls have them.
    Tls,
}

impl Layout {
    /// The names that belong to a layout, and whether there is no CA without it.
    pub(super) const fn names(self) -> &'static [(&'static str, bool)] {
        match self {
            Self::Istio => &[
                ("ca-key.pem", true),
                ("ca-cert.pem", true),
                ("root-cert.pem", true),
                ("cert-chain.pem", false),
            ],
            Self::Tls => &[("tls.key", true), ("tls.crt", true), ("ca.crt", true)],
        }
    }

    /// The name under which a part is found.
    pub(super) const fn name(self, part: Part) -> &'static str {
        match (self, part) {
            (Self::Istio, Part::Key) => "ca-key.pem",
            (Self::Istio, Part::Certificate) => "ca-cert.pem",
            (Self::Istio, Part::Issuers) => "cert-chain.pem",
            (Self::Istio, Part::Roots) => "root-cert.pem",
            (Self::Tls, Part::Key) => "tls.key",
            (Self::Tls, Part::Certificate | Part::Issuers) => "tls.crt",
            (Self::Tls, Part::Roots) => "ca.crt",
        }
    }
}

/// The texts of a CA. The key's is secret.
pub(super) struct Parts {
    pub(super) layout: Layout,
    pub(super) key: String,
    pub(super) certificate: String,
    /// Blank when there are none; not looked at where the certificate's text has them.
    pub(super) issuers: String,
    pub(super) roots: String,
}

/// Why the texts make no signer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused {
    /// The text at fault.
    pub(super) part: Part,
    /// What is wrong, and the way out.
    pub(super) why: String,
}

fn refused<E: fmt::Display>(part: Part) -> impl Fn(E) -> Refused {
    move |why| Refused {
        part,
        why: why.to_string(),
    }
}

impl Parts {
    /// The signer that they make at `now`.
    pub(super) fn signer(
        &self,
        trust_domain: &TrustDomain,
        now: SystemTime,
    ) -> Result<Signer, Refused> {
        let key = Key::from_pem(&self.key).map_err(refused(Part::Key))?;
        let (certificate, given) = self.certificates()?;
        let ca = self.ca(certificate, key, now)?;
        let bundle = TrustBundle::from_pem(trust_domain.clone(), &self.roots);
        let bundle = bundle.map_err(refused(Part::Roots))?;
        let above = issuers(ca.facts(), &given, &bundle, now);
        let above = above.map_err(|error| self.astray(error))?;
        warn_of_expiry(&ca, now);
        let throwaway = Key::generate().map_err(refused(Part::Key))?;
        let signer = Signer::new(ca, throwaway, Arc::new(bundle));
        Ok(signer.map_err(refused(Part::Certificate))?.below(above))
    }

    /// The signing certificate, and those that may be on the way to a root.
    fn certificates(
        &self,
    ) -> Result<(CertificateDer<'static>, Vec<CertificateDer<'static>>), Refused> {
        let certificates = chain::from_pem(&self.certificate);
        let mut more = certificates.map_err(refused(Part::Certificate))?;
        let count = more.len();
        let first = more.drain(..1).next();
        let first = first.ok_or_else(|| refused(Part::Certificate)(ChainError::Empty))?;
        match self.layout {
            Layout::Tls => Ok((first, more)),
            Layout::Istio if more.is_empty() => {
                let blank = !self.issuers.contains("-----BEGIN");
                let given = match blank {
                    true => Vec::new(),
                    false => chain::from_pem(&self.issuers).map_err(refused(Part::Issuers))?,
                };
                Ok((first, given))
            }
            Layout::Istio => Err(refused(Part::Certificate)(format!(
                "{count} certificates, exactly one is expected; those above it belong into {}",
                self.layout.name(Part::Issuers)
            ))),
        }
    }

    fn ca(
        &self,
        certificate: CertificateDer<'static>,
        key: Key,
        now: SystemTime,
    ) -> Result<Ca, Refused> {
        let ca = Ca::new(certificate, key).map_err(|error| {
            let hint = match &error {
                CaError::KeyMismatch => format!(" (the key is {})", self.layout.name(Part::Key)),
                _ => String::new(),
            };
            refused(Part::Certificate)(format!("{error}{hint}"))
        })?;
        if !ca.facts().is_current(now) {
            return Err(refused(Part::Certificate)(format!(
                "the signing certificate is valid from {} to {} only; put a current one in its place",
                rfc3339(ca.facts().not_before),
                rfc3339(ca.facts().not_after)
            )));
        }
        Ok(ca)
    }

    fn astray(&self, error: IssuersError) -> Refused {
        let name = |part| self.layout.name(part);
        match error {
            IssuersError::Unsigned(subject) => refused(Part::Roots)(format!(
                "{} is not among the roots, and no way leads to one of them: nobody here has signed \
                 {subject}; add its root here, and what is between them to {}",
                name(Part::Certificate),
                name(Part::Issuers)
            )),
            IssuersError::RootNotCurrent(_) => refused(Part::Roots)(error),
            IssuersError::Read(_) | IssuersError::MayNotSign { .. } => {
                refused(Part::Issuers)(error)
            }
        }
    }
}

fn warn_of_expiry(ca: &Ca, now: SystemTime) {
    let left = ca.facts().not_after.duration_since(now).unwrap_or_default();
    if left < EXPIRES_SOON {
        tracing::warn!(
            not_after = rfc3339(ca.facts().not_after),
            "the signing certificate expires soon; no certificate will outlive it"
        );
    }
}

#[cfg(test)]
mod tests;
