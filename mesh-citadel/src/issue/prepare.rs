//! Draws a leaf up and rehearses its signature with a throwaway key.

use std::time::SystemTime;

use mesh_pki::lint;
use mesh_pki::template::{self, Profile, ToBeSigned};

use crate::issue::{IssueError, lint_error};
use crate::signer::Signer;

/// The right to one signature over a leaf that passed the lint. It cannot be copied or forged.
#[derive(Debug)]
pub struct IssueToken {
    leaf: ToBeSigned,
    prepared_at: SystemTime,
}

impl IssueToken {
    /// Gives the leaf up for signing.
    pub(super) fn redeem(self) -> (ToBeSigned, SystemTime) {
        (self.leaf, self.prepared_at)
    }
}

/// Draws up the leaf that `profile` describes and lints it, signed by the signer's rehearsal.
///
/// # Errors
/// When the signer is not valid now, or the leaf would break a rule.
pub fn prepare(
    profile: &Profile,
    signer: &Signer,
    now: SystemTime,
) -> Result<IssueToken, IssueError> {
    let facts = signer.certificate();
    let leaf = template::leaf(profile, facts, now)?;
    let rehearsed = signer.rehearse(&leaf)?;
    lint::check_leaf(&rehearsed, &leaf, facts).map_err(|findings| lint_error(&findings))?;
    Ok(IssueToken {
        leaf,
        prepared_at: now,
    })
}
