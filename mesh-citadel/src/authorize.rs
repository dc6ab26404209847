//! What a caller may have.

use std::fmt;

use mesh_identity::settings::citadel;
use mesh_model::ident::SpiffeId;

/// Who calls, as an authenticator found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// A workload that proved one identity.
    Workload {
        /// The identity it stands for.
        identity: SpiffeId,
    },
}

impl Caller {
    /// The identity that the caller gets when it names none.
    #[must_use]
    pub fn identity(&self) -> &SpiffeId {
        let Self::Workload { identity } = self;
        identity
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Workload { identity } = self;
        write!(f, "workload {identity}")
    }
}

/// A caller asked for what is not its own.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{caller} may not have the identity {wanted}")]
pub struct NotYours {
    /// Who asked.
    pub caller: String,
    /// What was asked for.
    pub wanted: SpiffeId,
}

/// Whether `caller` may receive a certificate for `wanted`, in a mesh of this namespace.
///
/// The whole authorisation rule of the CA. It reads no state, so the table in `tests.rs` is its
/// proof.
///
/// # Errors
/// [`NotYours`].
pub fn authorize(caller: &Caller, wanted: &SpiffeId, namespace: &str) -> Result<(), NotYours> {
    match caller {
        // Citadel signs its own. Who else had it would be taken for the CA.
        Caller::Workload { identity } if identity == wanted && !is_citadel(wanted, namespace) => {
            Ok(())
        }
        Caller::Workload { .. } => Err(NotYours {
            caller: caller.to_string(),
            wanted: wanted.clone(),
        }),
    }
}

fn is_citadel(identity: &SpiffeId, namespace: &str) -> bool {
    citadel(identity.trust_domain(), namespace).is_ok_and(|citadel| citadel == *identity)
}

#[cfg(test)]
mod tests;
