//! Questions that a request waits for the answer to: calls to a service that says what becomes of it.
//!
//! A call is a request of the proxy's own, by gRPC or by plain HTTP, through the cluster of the service. It is tried
//! once.

use std::sync::Arc;
use std::time::Duration;

use mesh_http::{BadField, Fields, RequestHead, ResponseHead, Scheme, Version};
use mesh_model::Str;
use mesh_traffic::Config;
use mesh_traffic::authz::Check;
use mesh_traffic::cluster::{Cluster, UpstreamProtocol};
use mesh_traffic::limit::service::GlobalLimit;

use crate::http::failure::{Failure, FailureKind};
use crate::http::own::OwnRequest;

/// Bytes that an answer may have.
pub const MOST: usize = 64 * 1024;
/// The flag and the length before a message (gRPC over HTTP/2).
const PREFIX: usize = 5;

/// A call that is to be made.
#[derive(Debug)]
pub struct Call {
    /// How it is sent, and its head.
    pub sent: OwnRequest,
    /// Its body.
    pub body: Vec<u8>,
    /// How its answer is read.
    pub speaks: Speaks,
}

/// How a service is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaks {
    /// By gRPC: the answer is one message, and its status is that of success.
    Grpc,
    /// By plain HTTP: any answer is one.
    Http,
}

/// What a service has answered.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// The head.
    pub head: ResponseHead,
    /// The body; of gRPC the message.
    pub body: Vec<u8>,
}

/// A service that is asked about a request.
#[derive(Debug)]
pub struct Asking {
    /// On whose behalf.
    pub by: AskedBy,
    /// What is to be sent to it, until that is on its way.
    pub call: Option<Call>,
}

/// On whose behalf a service is asked.
#[derive(Debug)]
pub enum AskedBy {
    /// A limit that counts for many proxies.
    Limit(Arc<GlobalLimit>),
    /// A filter that lets nobody pass without leave.
    Authorization(Check),
}

/// A call of gRPC.
pub struct Calling<'a> {
    /// The cluster of the service.
    pub cluster: Arc<Cluster>,
    /// The authority by which it is called.
    pub authority: &'a str,
    /// The path of the method.
    pub method: &'static str,
    /// How long the answer may take.
    pub timeout: Duration,
    /// The message.
    pub message: &'a [u8],
}

/// The cluster of a service.
///
/// # Errors
/// When it is not there, or does not speak as the service is called.
pub fn cluster(config: &Config, name: &Str, speaks: Speaks) -> Result<Arc<Cluster>, Failure> {
    let nobody = |why: String| Failure::new(FailureKind::NoCluster).caused_by(why);
    let found = config.cluster(name);
    let found = found.ok_or_else(|| nobody(format!("there is no cluster {name}")))?;
    if speaks == Speaks::Grpc && found.protocol == UpstreamProtocol::Http1 {
        let why = format!("cluster {name} speaks HTTP/1.1, and gRPC needs HTTP/2");
        return Err(nobody(why));
    }
    Ok(found.clone())
}

impl Calling<'_> {
    /// The call.
    ///
    /// # Errors
    /// When the authority cannot stand in a head.
    pub fn call(self) -> Result<Call, BadField> {
        let mut fields = Fields::new();
        fields.append("content-type", "application/grpc")?;
        fields.append("te", "trailers")?;
        fields.append("grpc-timeout", format!("{}m", self.timeout.as_millis()))?;
        let head = Box::new(RequestHead {
            version: Version::Http2,
            method: "POST".into(),
            scheme: Scheme::Http,
            authority: self.authority.into(),
            path: self.method.into(),
            fields,
            ..RequestHead::default()
        });
        Ok(Call {
            sent: OwnRequest::once(head, self.cluster, Some(self.timeout)),
            body: framed(self.message),
            speaks: Speaks::Grpc,
        })
    }
}

impl Call {
    /// A call by plain HTTP.
    #[must_use]
    pub fn http(
        cluster: Arc<Cluster>,
        timeout: Duration,
        head: Box<RequestHead>,
        body: Vec<u8>,
    ) -> Self {
        Self {
            sent: OwnRequest::once(head, cluster, Some(timeout)),
            body,
            speaks: Speaks::Http,
        }
    }
}

fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    let mut body = Vec::with_capacity(PREFIX + message.len());
    body.push(0);
    body.extend_from_slice(&length.to_be_bytes());
    body.extend_from_slice(message);
    body
}

/// The one message of an answer; `None` if it is compressed, or there is another number of messages.
#[must_use]
pub fn message(body: &[u8]) -> Option<&[u8]> {
    let (prefix, message) = body.split_at_checked(PREFIX)?;
    let [0, length @ ..] = prefix else {
        return None;
    };
    let length = u32::from_be_bytes(length.try_into().ok()?);
    (usize::try_from(length).ok()? == message.len()).then_some(message)
}

#[cfg(test)]
mod tests;
