//! Kubernetes' AdmissionReview, `admission.k8s.io/v1` and `v1beta1`: what is asked and answered.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mesh_inject::patch::Operation;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The versions that are understood; an answer has that of its question.
const VERSIONS: [&str; 2] = ["admission.k8s.io/v1", "admission.k8s.io/v1beta1"];
/// Kubernetes shows that many characters of a warning at most.
const WARNING_CHARACTERS: usize = 256;

/// A question of the API server.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Review {
    version: &'static str,
    pub(crate) request: Request,
}

/// What is about to be done.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Request {
    /// The name of the question, which its answer repeats.
    pub(crate) uid: String,
    /// The kind of the object.
    pub(crate) kind: Kind,
    /// The namespace of the object; empty for objects of the whole cluster.
    pub(crate) namespace: String,
    /// What is done: CREATE, UPDATE, DELETE or CONNECT.
    pub(crate) operation: String,
    /// The object as it will be; null when it is deleted.
    pub(crate) object: Value,
}

/// The kind of an object.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Kind {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Verdict {
    /// Why the API server is to refuse it.
    pub(crate) refused: Option<Refusal>,
    /// What the API server is to tell its client all the same.
    pub(crate) warnings: Vec<String>,
    /// How the object is changed.
    pub(crate) patch: Vec<Operation>,
}

/// Why something is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// A word for it, as metrics have it.
    pub(crate) reason: &'static str,
    /// What the client is told.
    pub(crate) message: String,
}

impl Verdict {
    pub(crate) fn refused(reason: &'static str, message: String) -> Self {
        Self {
            refused: Some(Refusal { reason, message }),
            ..Self::default()
        }
    }
}

impl Review {
    /// Reads a question.
    ///
    /// # Errors
    /// What makes it none.
    pub(crate) fn read(body: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Wire {
            #[serde(default)]
            api_version: String,
            request: Option<Request>,
        }
        if body.is_empty() {
            return Err("the body is empty; expected an AdmissionReview".to_owned());
        }
        let wire: Wire = serde_json::from_slice(body)
            .map_err(|error| format!("the body is no AdmissionReview: {error}"))?;
        let known = VERSIONS.iter().find(|known| **known == wire.api_version);
        let Some(version) = known else {
            let expected = VERSIONS.join(" or ");
            return Err(format!(
                "apiVersion: expected {expected}, found {:?}",
                wire.api_version
            ));
        };
        let request = wire.request.ok_or("request: is missing")?;
        Ok(Self { version, request })
    }

    /// The review that answers it.
    pub(crate) fn answer(&self, verdict: &Verdict) -> Value {
        let patch = (!verdict.patch.is_empty()).then(|| {
            // Operations are strings and values; nothing in them can fail to be written.
            STANDARD.encode(serde_json::to_vec(&verdict.patch).unwrap_or_default())
        });
        let response = Response {
            uid: &self.request.uid,
            allowed: verdict.refused.is_none(),
            status: verdict.refused.as_ref().map(|refusal| Status {
                code: 422,
                reason: "Invalid",
                message: &refusal.message,
            }),
            warnings: verdict
                .warnings
                .iter()
                .map(|text| shortened(text))
                .collect(),
            patch_type: patch.as_ref().map(|_| "JSONPatch"),
            patch,
        };
        json!({
            "apiVersion": self.version,
            "kind": "AdmissionReview",
            "response": response,
        })
    }
}

/// The answer's part of a review.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Response<'a> {
    uid: &'a str,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<String>,
}

/// Why something is refused, as Kubernetes' clients show it.
#[derive(Debug, Serialize)]
struct Status<'a> {
    code: u16,
    reason: &'static str,
    message: &'a str,
}

fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(WARNING_CHARACTERS).collect();
    if short.len() < text.len() {
        short.pop();
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests;
