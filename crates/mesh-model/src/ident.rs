//! Identities: trust domains, SPIFFE IDs, service accounts.
//!
//! Rules of the SPIFFE ID standard, sections 2.1 to 2.3. Strings are parsed once, at the edge;
//! an identity is never built by joining strings elsewhere.

use std::fmt;

use crate::Str;

/// Longest SPIFFE ID in bytes (SPIFFE ID standard, 2.3).
const MAX_ID: usize = 2048;
/// Longest trust domain in bytes (SPIFFE ID standard, 2.3).
const MAX_TRUST_DOMAIN: usize = 255;

/// Why a text is no identity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentError {
    /// The scheme is not `spiffe`.
    #[error("{0:?} does not start with spiffe://")]
    Scheme(String),
    /// The trust domain is empty, too long, or has a character outside `[a-z0-9.-_]`.
    #[error("{0:?} is not a trust domain (lower-case letters, digits, '.', '-', '_')")]
    TrustDomain(String),
    /// The path has an empty segment, a dot segment or a character outside `[A-Za-z0-9.-_]`.
    #[error("{0:?} is not a SPIFFE path")]
    Path(String),
    /// The whole identity is longer than 2048 bytes.
    #[error("the SPIFFE ID has {0} bytes, the limit is 2048")]
    TooLong(usize),
    /// A namespace or service account is not a DNS label or name.
    #[error("{0:?} is not a Kubernetes name")]
    Name(String),
}

/// The name of a trust domain, for example `cluster.local`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TrustDomain(Str);

impl TrustDomain {
    /// Parses a trust domain; letters are lowered.
    ///
    /// # Errors
    /// [`IdentError::TrustDomain`] when it is empty, longer than 255 bytes, or has other characters.
    pub fn parse(text: &str) -> Result<Self, IdentError> {
        let lowered = text.to_ascii_lowercase();
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-_".contains(&b);
        if lowered.is_empty() || lowered.len() > MAX_TRUST_DOMAIN || !lowered.bytes().all(allowed) {
            return Err(IdentError::TrustDomain(text.to_owned()));
        }
        Ok(Self(lowered.into()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TrustDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A Kubernetes service account: the subject that a workload runs as.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServiceAccount {
    /// Namespace of the account.
    pub namespace: Str,
    /// Name of the account.
    pub name: Str,
}

impl ServiceAccount {
    /// Names an account; both parts must be Kubernetes names.
    ///
    /// # Errors
    /// [`IdentError::Name`] when a part is empty or has characters outside `[a-z0-9.-]`.
    pub fn new(namespace: &str, name: &str) -> Result<Self, IdentError> {
        for part in [namespace, name] {
            if !is_kubernetes_name(part) {
                return Err(IdentError::Name(part.to_owned()));
            }
        }
        Ok(Self {
            namespace: namespace.into(),
            name: name.into(),
        })
    }
}

impl fmt::Display for ServiceAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

fn is_kubernetes_name(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
    let edge = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    text.len() <= 253
        && text.bytes().all(allowed)
        && edge(text.as_bytes().first())
        && edge(text.as_bytes().last())
        && !text.contains("..")
}

/// A SPIFFE ID; compared byte by byte after the trust domain was lowered.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpiffeId {
    trust_domain: TrustDomain,
    /// The path with its leading slash; empty for the identity of a trust domain itself.
    path: Str,
}

impl SpiffeId {
    /// Parses `spiffe://<trust domain>[/<segment>...]`.
    ///
    /// # Errors
    /// The [`IdentError`] that names the first broken rule.
    pub fn parse(text: &str) -> Result<Self, IdentError> {
        if text.len() > MAX_ID {
            return Err(IdentError::TooLong(text.len()));
        }
        let rest = text
            .split_at_checked("spiffe://".len())
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("spiffe://"))
            .map(|(_, rest)| rest)
            .ok_or_else(|| IdentError::Scheme(text.to_owned()))?;
        let (domain, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let trust_domain = TrustDomain::parse(domain)?;
        if !path.is_empty() && !path.split('/').skip(1).all(is_path_segment) {
            return Err(IdentError::Path(path.to_owned()));
        }
        Ok(Self {
            trust_domain,
            path: path.into(),
        })
    }

    /// The identity of a workload: `spiffe://<trust domain>/ns/<namespace>/sa/<service account>`.
    #[must_use]
    pub fn of_workload(trust_domain: &TrustDomain, account: &ServiceAccount) -> Self {
        let path = format!("/ns/{}/sa/{}", account.namespace, account.name);
        Self {
            trust_domain: trust_domain.clone(),
            path: path.into(),
        }
    }

    /// The trust domain that vouches for this identity.
    #[must_use]
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.trust_domain
    }

    /// The path with its leading slash, or the empty string.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The service account that the path names, if it has the form of a workload's identity.
    #[must_use]
    pub fn service_account(&self) -> Option<ServiceAccount> {
        let mut parts = self.path.strip_prefix("/ns/")?.split('/');
        let (namespace, sa, name) = (parts.next()?, parts.next()?, parts.next()?);
        if sa != "sa" || parts.next().is_some() {
            return None;
        }
        Some(ServiceAccount {
            namespace: namespace.into(),
            name: name.into(),
        })
    }
}

fn is_path_segment(segment: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b".-_".contains(&b);
    !segment.is_empty() && segment != "." && segment != ".." && segment.bytes().all(allowed)
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "spiffe://{}{}", self.trust_domain, self.path)
    }
}

impl fmt::Debug for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests;
