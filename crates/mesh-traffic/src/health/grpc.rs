//! Probes by `grpc.health.v1`.

use mesh_http::{BadField, Fields, RequestHead, Scheme, Version};
use mesh_model::Str;
use prost::Message;

use super::http::{Answer, begun, shaped};
use super::state::{Failed, Kind, Outcome};
use crate::shape::HeaderOp;

/// The method that is called.
const METHOD: &str = "/grpc.health.v1.Health/Check";
/// The flag and the length before a message (gRPC over HTTP/2).
const PREFIX: usize = 5;
/// `grpc.health.v1.HealthCheckResponse.SERVING`
const SERVING: i32 = 1;
/// The longest time that eight digits of milliseconds say.
const MOST_MILLIS: u128 = 99_999_999;

/// A call of `grpc.health.v1.Health/Check`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrpcProbe {
    /// The service that is asked about; the whole server if it is empty.
    pub service: Str,
    /// The authority; the cluster's name if nothing is said.
    pub authority: Option<Str>,
    pub(crate) ops: Vec<HeaderOp>,
}

/// `grpc.health.v1.HealthCheckRequest`
#[derive(Clone, PartialEq, Eq, Message)]
struct Asked {
    #[prost(string, tag = "1")]
    service: String,
}

/// `grpc.health.v1.HealthCheckResponse`
#[derive(Clone, PartialEq, Eq, Message)]
struct Answered {
    #[prost(int32, tag = "1")]
    status: i32,
}

impl GrpcProbe {
    /// The call's head.
    ///
    /// # Errors
    /// When something of it cannot stand in a head.
    pub fn head(
        &self,
        authority: &str,
        scheme: Scheme,
        timeout: std::time::Duration,
    ) -> Result<RequestHead, BadField> {
        let mut head = begun("POST", METHOD, authority, (scheme, Version::Http2))?;
        head.fields.append("content-type", "application/grpc")?;
        head.fields.append("te", "trailers")?;
        shaped(&mut head, &self.ops);
        let millis = timeout.as_millis().min(MOST_MILLIS);
        head.fields.set("grpc-timeout", format!("{millis}m"))?;
        Ok(head)
    }

    /// The call's body.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        let service = self.service.to_string();
        let message = Asked { service }.encode_to_vec();
        let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
        let mut body = Vec::with_capacity(PREFIX + message.len());
        body.push(0);
        body.extend_from_slice(&length.to_be_bytes());
        body.extend_from_slice(&message);
        body
    }

    /// What an answer says.
    pub(super) fn judge(&self, answer: &Answer) -> Outcome {
        match serves(answer) {
            true => Outcome::Passed { degraded: false },
            false => Outcome::Failed(Failed::of(Kind::Active)),
        }
    }
}

fn serves(answer: &Answer) -> bool {
    let kind = answer.fields.get("content-type").unwrap_or_default();
    let is_ok = |fields: &Fields| fields.get("grpc-status") == Some(b"0");
    let answered = message(&answer.body).and_then(|message| Answered::decode(message).ok());
    answer.status == 200
        && kind.starts_with(b"application/grpc")
        && answer.trailers.as_ref().is_some_and(is_ok)
        && answered.is_some_and(|answered| answered.status == SERVING)
}

/// The one message of an answer; `None` if it is compressed, or there is another number of messages.
fn message(body: &[u8]) -> Option<&[u8]> {
    let (prefix, message) = body.split_at_checked(PREFIX)?;
    let [0, length @ ..] = prefix else {
        return None;
    };
    let length = u32::from_be_bytes(length.try_into().ok()?);
    (usize::try_from(length).ok()? == message.len()).then_some(message)
}
