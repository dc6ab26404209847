//! Who calls: from a call's credentials to a [`Caller`](crate::authorize::Caller).

pub mod file_token;

/// Why a caller stays unknown. The text goes to the caller, so it says nothing of what is accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unknown {
    /// No credential was sent.
    #[error("no bearer token was sent")]
    NoToken,
    /// The credential is not accepted.
    #[error("the token is not accepted")]
    NotAccepted,
}
