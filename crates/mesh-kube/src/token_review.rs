//! Whose a token is, as the API server says. What follows from it is the caller's business.

use http::Method;
use serde::Deserialize;
use serde_json::json;

use crate::access::Cluster;
use crate::fault::Fault;
use crate::request::RequestError;

const PATH: &str = "/apis/authentication.k8s.io/v1/tokenreviews";

/// What the API server says of a token.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct TokenReview {
    /// Whether the token is somebody's at all.
    pub authenticated: bool,
    /// Why it could not be checked, or is nobody's.
    pub error: String,
    /// For whom it is meant, of those that were asked about.
    pub audiences: Vec<String>,
    /// Whose it is.
    pub user: ReviewedUser,
}

/// Whose a token is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ReviewedUser {
    /// The user's name; `system:serviceaccount:NAMESPACE:NAME` for an account of pods.
    pub username: String,
    /// The groups that the user is in.
    pub groups: Vec<String>,
}

#[derive(Deserialize)]
struct Reviewed {
    #[serde(default)]
    status: TokenReview,
}

impl Cluster {
    /// Asks whose `token` is and whether it is meant for one of `audiences`.
    ///
    /// Needs the permission to create `tokenreviews.authentication.k8s.io`.
    ///
    /// # Errors
    /// When the API server did not answer the question. What it says then is not repeated, because
    /// it may quote what it was sent.
    pub async fn review_token(
        &self,
        token: &str,
        audiences: &[String],
    ) -> Result<TokenReview, RequestError> {
        let review = json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": {"token": token, "audiences": audiences},
        });
        let body = review.to_string().into_bytes();
        let sent = self
            .server
            .send(Method::POST, PATH, "application/json", body);
        let answer = sent
            .await
            .map_err(|fault| RequestError::from(fault).discreet())?;
        let reviewed: Reviewed =
            serde_json::from_slice(&answer).map_err(|error| Fault::unreadable(&error))?;
        Ok(TokenReview {
            error: reviewed.status.error.replace(token, "..."),
            ..reviewed.status
        })
    }
}
