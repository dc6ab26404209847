//! Redeems the right to one signature.

use mesh_model::ident::SpiffeId;
use mesh_pki::CertificateDer;
use mesh_pki::chain::CertificateFacts;

use crate::issue::IssueError;
use crate::issue::prepare::IssueToken;
use crate::issue::recheck::recheck;
use crate::signer::Signer;

/// A finished certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// Whose it is.
    pub identity: SpiffeId,
    /// What it says.
    pub leaf: CertificateFacts,
}

impl Issued {
    /// The certificate.
    #[must_use]
    pub fn der(&self) -> &CertificateDer<'static> {
        &self.leaf.der
    }
}

/// Signs, and checks what was signed before it is handed out.
///
/// # Errors
/// When signing fails, or the finished certificate is not what was ordered.
pub fn issue(token: IssueToken, signer: &Signer) -> Result<Issued, IssueError> {
    let (leaf, now) = token.redeem();
    let signed = signer.sign(&leaf)?;
    recheck(&signed, &leaf, signer, now)
}
