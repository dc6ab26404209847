//! Names of hosts and of configuration objects.

use std::fmt;

use crate::Str;

/// A host that configuration speaks of: a DNS name, an IP address, or a name with a leading `*`.
///
/// Lower-cased on parsing. Comparison of a wildcard is plain suffix comparison, as in Istio:
/// `*.com` matches `a.b.com`, `*.foo.com` does not match `foo.com`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hostname(Str);

/// Why a text is no host name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a host name: labels of letters, digits and '-', a '*' only as the first label"
)]
pub struct BadHostname(pub String);

impl Hostname {
    /// Parses a host name, wildcard host name or IP address.
    ///
    /// # Errors
    /// [`BadHostname`] when it is none of these.
    pub fn parse(text: &str) -> Result<Self, BadHostname> {
        let lowered = text.to_ascii_lowercase();
        let bad = || BadHostname(text.to_owned());
        if lowered.parse::<std::net::IpAddr>().is_ok() || lowered == "*" {
            return Ok(Self(lowered.into()));
        }
        let labels = lowered.strip_prefix("*.").unwrap_or(&lowered);
        if lowered.len() > 255 || !labels.split('.').all(is_host_label) {
            return Err(bad());
        }
        Ok(Self(lowered.into()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the name starts with `*`.
    #[must_use]
    pub fn is_wildcard(&self) -> bool {
        self.0.starts_with('*')
    }

    /// Whether every name that `other` stands for is covered by this one.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match self.0.strip_prefix('*') {
            Some(suffix) => other
                .0
                .strip_prefix('*')
                .unwrap_or(&other.0)
                .ends_with(suffix),
            None => self == other,
        }
    }

    /// Whether `host`, a concrete name in lower case, is covered by this one.
    #[must_use]
    pub fn matches(&self, host: &str) -> bool {
        match self.0.strip_prefix('*') {
            Some(suffix) => host.ends_with(suffix),
            None => self.as_str() == host,
        }
    }

    /// The order of specificity: concrete names first, then longer ones, then by alphabet.
    #[must_use]
    pub fn specificity(&self) -> impl Ord + use<> {
        (
            self.is_wildcard(),
            std::cmp::Reverse(self.0.len()),
            self.0.clone(),
        )
    }
}

impl fmt::Display for Hostname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

fn is_host_label(label: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    !label.is_empty()
        && label.len() <= 63
        && label.bytes().all(allowed)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// Whether `text` is a DNS-1123 label: what Kubernetes asks of namespaces and subset names.
#[must_use]
pub fn is_dns_label(text: &str) -> bool {
    is_host_label(text) && text.bytes().all(|b| !b.is_ascii_uppercase() && b != b'_')
}

/// A name within a namespace.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NamespacedName {
    /// The namespace.
    pub namespace: Str,
    /// The name within it.
    pub name: Str,
}

impl fmt::Display for NamespacedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// Which configuration object: kind, namespace and name. Versions of one kind share a key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResourceKey {
    /// API group, for example `networking.istio.io`; empty for the core group.
    pub group: Str,
    /// Kind as written, for example `VirtualService`.
    pub kind: Str,
    /// Namespace; empty for cluster-scoped kinds.
    pub namespace: Str,
    /// Name of the object.
    pub name: Str,
}

impl fmt::Display for ResourceKey {
    /// Prints `virtualservice default/reviews`, the form that every message to users has.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.kind.to_ascii_lowercase())?;
        if !self.namespace.is_empty() {
            write!(f, "{}/", self.namespace)?;
        }
        f.write_str(&self.name)
    }
}

#[cfg(test)]
mod tests;
