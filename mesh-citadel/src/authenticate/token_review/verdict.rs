//! What an API server's word about a token is worth. Pure: the table in `tests.rs` is its proof.

use mesh_kube::TokenReview;
use mesh_model::ident::{IdentError, ServiceAccount};

/// The group that every service account is in.
const GROUP: &str = "system:serviceaccounts";
/// Longest part of the API server's words that is logged, in characters.
const LONGEST_WORD: usize = 300;

/// Why a reviewed token is not accepted. For the log: the caller does not see it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// The API server does not know it.
    #[error("the API server does not know it: {0}")]
    NotAuthenticated(String),
    /// The API server says that something went wrong, whatever else it says.
    #[error("the API server could not check it: {0}")]
    Error(String),
    /// It is meant for somebody else.
    #[error("it is not for the audience {0}")]
    Audience(String),
    /// It is not a service account's.
    #[error("{0:?} is no service account")]
    NotAccount(String),
    /// The account's name is none.
    #[error(transparent)]
    Name(#[from] IdentError),
}

/// The service account whose token was reviewed, when it was meant for one of `audiences`.
// istio: every check of its token reviewer.
pub(super) fn account(
    review: &TokenReview,
    audiences: &[String],
) -> Result<ServiceAccount, Refusal> {
    if !review.authenticated {
        return Err(Refusal::NotAuthenticated(clipped(&review.error)));
    }
    if !review.error.is_empty() {
        return Err(Refusal::Error(clipped(&review.error)));
    }
    // A server that knows nothing of audiences echoes none.
    let is_ours = |audience: &String| audiences.contains(audience);
    if !review.audiences.iter().any(is_ours) {
        return Err(Refusal::Audience(audiences.join(", ")));
    }
    let user = &review.user;
    let stranger = || Refusal::NotAccount(clipped(&user.username));
    if !user.groups.iter().any(|group| group == GROUP) {
        return Err(stranger());
    }
    let parts: Vec<&str> = user.username.split(':').collect();
    let ["system", "serviceaccount", namespace, name] = parts.as_slice() else {
        return Err(stranger());
    };
    Ok(ServiceAccount::new(namespace, name)?)
}

fn clipped(text: &str) -> String {
    text.chars().take(LONGEST_WORD).collect()
}

#[cfg(test)]
mod tests;
