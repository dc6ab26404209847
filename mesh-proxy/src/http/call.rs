//! Questions that a request waits for the answer to: calls of gRPC to a service that says what becomes of it.
//!
//! A call is a request of the proxy's own, sent as any other through the cluster of the service. It is tried once.

use std::sync::Arc;
use std::time::Duration;

use mesh_http::{BadField, Fields, RequestHead, Scheme, Version};
use mesh_traffic::cluster::Cluster;

use crate::http::mirror::{self, Mirrored};
use crate::http::route::Found;
use crate::http::shape::{Plan, Shaped};

/// Bytes that an answer may have.
pub const MOST: usize = 64 * 1024;
/// The flag and the length before a message (gRPC over HTTP/2).
const PREFIX: usize = 5;

/// A call that is to be made.
#[derive(Debug)]
pub struct Call {
    /// How it is sent, and its head.
    pub sent: Mirrored,
    /// Its body.
    pub body: Vec<u8>,
}

/// What a call is made of.
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

impl Calling<'_> {
    /// The call; `found` is where the request stands that asks.
    ///
    /// # Errors
    /// When the authority cannot stand in a head.
    pub fn call(self, found: &Found) -> Result<Call, BadField> {
        let mut fields = Fields::new();
        fields.append("content-type", "application/grpc")?;
        fields.append("te", "trailers")?;
        fields.append("grpc-timeout", format!("{}m", self.timeout.as_millis()))?;
        let head = RequestHead {
            version: Version::Http2,
            method: "POST".into(),
            scheme: Scheme::Http,
            authority: self.authority.into(),
            path: self.method.into(),
            fields,
            ..RequestHead::default()
        };
        let plan = Plan::Forward(mirror::once(self.cluster, Some(self.timeout)));
        let found = found.without_place();
        Ok(Call {
            sent: Mirrored {
                shaped: Shaped { found, plan },
                head: Box::new(head),
            },
            body: framed(self.message),
        })
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
