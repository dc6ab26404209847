//! Who calls: from a call's credentials to a [`Caller`].

pub mod file_token;
pub mod token_review;

use std::net::IpAddr;

use crate::authenticate::file_token::FileTokens;
use crate::authenticate::token_review::TokenReviews;
use crate::authorize::Caller;

/// Why a caller stays unknown. The text goes to the caller, so it says nothing of what is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unknown {
    /// No credential was sent.
    #[error("no bearer token was sent")]
    NoToken,
    /// The credential is not accepted.
    #[error("the token is not accepted")]
    NotAccepted,
    /// Too many tokens are to be checked, of this address or of all.
    #[error("too many tokens to check at once; try again")]
    TooMany,
    /// Nobody can say now whose the token is.
    #[error("the token cannot be checked now; try again")]
    Unchecked,
}

/// Every way in which callers may prove themselves here.
#[derive(Clone, Default)]
pub struct Tokens {
    files: Option<FileTokens>,
    reviews: Option<TokenReviews>,
}

impl Tokens {
    /// Nobody is believed yet.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Believes the tokens of a directory too.
    #[must_use]
    pub fn with_files(self, files: FileTokens) -> Self {
        let files = Some(files);
        Self { files, ..self }
    }

    /// Believes a cluster's tokens too.
    #[must_use]
    pub fn with_reviews(self, reviews: TokenReviews) -> Self {
        let reviews = Some(reviews);
        Self { reviews, ..self }
    }

    /// Whose token `token` is, which came from the address `from`.
    ///
    /// # Errors
    /// [`Unknown`].
    pub async fn authenticate(&self, token: &str, from: IpAddr) -> Result<Caller, Unknown> {
        // The cheaper question first: it costs the API server nothing.
        if let Some(files) = &self.files
            && let Ok(caller) = files.authenticate(token)
        {
            return Ok(caller);
        }
        match &self.reviews {
            Some(reviews) => reviews.authenticate(token, from).await,
            None => Err(Unknown::NotAccepted),
        }
    }
}
