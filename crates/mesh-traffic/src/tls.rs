//! What TLS contexts ask for, independent of a TLS library.

use std::fmt;

use mesh_model::Str;
use mesh_model::ident::{SpiffeId, TrustDomain};
pub use mesh_pki::tls::edge::Versions;

/// Which URI names a peer's certificate may carry.
///
/// Empty means that any identity that the roots vouch for is accepted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sans {
    /// Accepted identities.
    pub exact: Vec<SpiffeId>,
    /// Accepted beginnings; each is a whole trust domain, for example `spiffe://cluster.local/`.
    pub prefixes: Vec<Str>,
}

impl Sans {
    /// Whether every identity is accepted.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.exact.is_empty() && self.prefixes.is_empty()
    }

    /// Whether a peer of this identity is the one that is wanted.
    #[must_use]
    pub fn accepts(&self, peer: &SpiffeId) -> bool {
        if self.is_any() || self.exact.contains(peer) {
            return true;
        }
        let text = peer.to_string();
        self.prefixes
            .iter()
            .any(|prefix| text.starts_with(&**prefix))
    }

    /// The trust domains that the prefixes name.
    pub fn trust_domains(&self) -> impl Iterator<Item = TrustDomain> {
        self.prefixes.iter().filter_map(|prefix| {
            let domain = prefix.strip_prefix("spiffe://")?.strip_suffix('/')?;
            TrustDomain::parse(domain).ok()
        })
    }
}

/// Whose certificate this side shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// The workload's own, which the identity agent renews.
    Workload,
    /// One from files of this machine (paths of chain and key).
    Files {
        /// PEM file of the certificate chain.
        chain: Str,
        /// PEM file of the private key.
        key: Str,
    },
    /// Those that the control plane sends under these names, the preferred one first.
    Secrets(Vec<Str>),
}

/// Files of this machine in which a certificate or roots are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InFiles {
    /// A certificate.
    Certificate {
        /// PEM file of the certificate chain.
        chain: Str,
        /// PEM file of the private key.
        key: Str,
    },
    /// Roots, in one PEM file.
    Roots(Str),
}

// istio: pkg/security, the names of secrets that are read from files.
impl fmt::Display for InFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certificate { chain, key } => write!(f, "file-cert:{chain}~{key}"),
            Self::Roots(path) => write!(f, "file-root:{path}"),
        }
    }
}

/// Who vouches for the peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Roots {
    /// The mesh's trust bundle.
    Mesh,
    /// A PEM file.
    File(Str),
    /// What the control plane sends under this name.
    Secret(Str),
    /// The operating system's store.
    System,
    /// Nobody: any certificate is taken.
    Unverified,
}

/// TLS towards clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DownstreamTls {
    /// The certificate shown to clients.
    pub identity: Identity,
    /// Whether a client without certificate is refused.
    pub require_client_certificate: bool,
    /// Who vouches for clients' certificates.
    pub roots: Roots,
    /// Which clients are let in.
    pub clients: Sans,
    /// Protocols offered, in order of preference.
    pub alpn: Vec<Str>,
    /// Versions of TLS.
    pub versions: Versions,
}

impl DownstreamTls {
    /// The names of the secrets that it asks the control plane for.
    pub fn secrets(&self) -> impl Iterator<Item = &Str> {
        let shown: &[Str] = match &self.identity {
            Identity::Secrets(names) => names,
            Identity::Workload | Identity::Files { .. } => &[],
        };
        let roots = match &self.roots {
            Roots::Secret(name) => Some(name),
            Roots::Mesh | Roots::File(_) | Roots::System | Roots::Unverified => None,
        };
        shown.iter().chain(roots)
    }

    /// The files that it asks for.
    pub fn files(&self) -> impl Iterator<Item = InFiles> {
        let shown = match &self.identity {
            Identity::Files { chain, key } => Some(InFiles::Certificate {
                chain: chain.clone(),
                key: key.clone(),
            }),
            Identity::Workload | Identity::Secrets(_) => None,
        };
        let roots = match &self.roots {
            Roots::File(path) => Some(InFiles::Roots(path.clone())),
            Roots::Mesh | Roots::Secret(_) | Roots::System | Roots::Unverified => None,
        };
        shown.into_iter().chain(roots)
    }
}

/// TLS towards servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamTls {
    /// The certificate shown to servers, if any.
    pub identity: Option<Identity>,
    /// Who vouches for servers' certificates.
    pub roots: Roots,
    /// Which servers are accepted, by SPIFFE ID.
    pub servers: Sans,
    /// Which servers are accepted, by DNS name (TLS outside the mesh).
    pub dns_names: Vec<Str>,
    /// Server name indication.
    pub sni: Option<Str>,
    /// Protocols offered, in order of preference.
    pub alpn: Vec<Str>,
}
