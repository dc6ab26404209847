//! Secrets that the control plane sends: certificates with keys, and roots.

use mesh_model::Str;
use mesh_pki::credential::{ClientRoots, Credential};
use mesh_proto::envoy::envoy::extensions::transport_sockets::tls::v3 as pb;

use crate::compile;
use crate::reject::Reject;

/// A compiled secret; printing it shows nothing secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// Name of the resource, by which listeners ask for it.
    pub name: Str,
    /// What it is.
    pub content: Content,
}

/// What a secret is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A certificate with its key.
    Certificate(Credential),
    /// Roots by which others are judged.
    Roots(ClientRoots),
}

impl Secret {
    /// Compiles a resource.
    ///
    /// # Errors
    /// [`Reject`] names the first field that cannot be brought into force; it repeats nothing of
    /// the content.
    pub fn compile(pb: &pb::Secret) -> Result<Self, Reject> {
        compile::secret::compile(pb).map_err(|fault| fault.of("secret", &pb.name))
    }

    /// The certificate, if it is one.
    #[must_use]
    pub fn certificate(&self) -> Option<&Credential> {
        match &self.content {
            Content::Certificate(credential) => Some(credential),
            Content::Roots(_) => None,
        }
    }

    /// The roots, if it is some.
    #[must_use]
    pub fn roots(&self) -> Option<&ClientRoots> {
        match &self.content {
            Content::Roots(roots) => Some(roots),
            Content::Certificate(_) => None,
        }
    }
}
