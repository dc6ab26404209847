//! Looks at a finished certificate as the linter and as a peer of the mesh would.

use std::time::SystemTime;

use mesh_pki::CertificateDer;
use mesh_pki::svid::{Usage, validate_x509_svid};
use mesh_pki::template::ToBeSigned;
use mesh_pki::{chain, lint};

use crate::issue::issue::Issued;
use crate::issue::{IssueError, lint_error};
use crate::signer::Signer;

/// Checks that `signed` is what was ordered, and that the trust bundle vouches for it.
pub(super) fn recheck(
    signed: &CertificateDer<'static>,
    ordered: &ToBeSigned,
    signer: &Signer,
    now: SystemTime,
) -> Result<Issued, IssueError> {
    let certificate = signer.certificate();
    lint::check_leaf(signed, ordered, certificate).map_err(|findings| lint_error(&findings))?;
    let refused = |why: String| IssueError::Recheck(why);
    let presented = signer.chain_of(signed);
    for usage in [Usage::Client, Usage::Server] {
        let identity = validate_x509_svid(&presented, signer.bundle(), usage, now)
            .map_err(|error| refused(error.to_string()))?;
        if identity != *ordered.identity() {
            return Err(refused(format!("it names {identity}")));
        }
    }
    Ok(Issued {
        identity: ordered.identity().clone(),
        leaf: chain::facts(signed).map_err(|error| refused(error.to_string()))?,
    })
}
