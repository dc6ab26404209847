//! Stages connect and exchange: a connection to the picked endpoint, then the request over it.

use std::time::Duration;

use mesh_http::{RequestHead, ResponseHead, Version};
use mesh_model::Str;
use mesh_traffic::FailureKind as PolicyKind;
use mesh_traffic::listener::Direction;

use crate::http::connection::Connection;
use crate::http::failure::Failure;
use crate::http::head::{PEER_METADATA, PEER_METADATA_ID, put};
use crate::http::pick::Picked;
use crate::http::shape::Shaped;
use crate::http::stage::{Stage, Wait};

/// A connection that an attempt got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connected {
    /// Whether it had carried a request before.
    pub reused: bool,
    /// How long it had been without one.
    pub idle: Duration,
    /// Version of HTTP that it speaks.
    pub version: Version,
    /// Whether it is mutual TLS.
    pub mutual_tls: bool,
    /// Who the server is, by its certificate.
    pub peer: Option<Str>,
    /// Our own address on it.
    pub local: Option<std::net::SocketAddr>,
}

/// Our workload's metadata, as the two headers carry it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OwnMetadata {
    /// Value of x-envoy-peer-metadata-id.
    pub id: Str,
    /// Value of x-envoy-peer-metadata.
    pub value: Str,
}

/// Asks for a connection to the picked endpoint.
#[must_use]
pub fn connect(picked: &Picked) -> Stage<Connected> {
    Stage::Wait(Wait::Connect(picked.target.clone()))
}

/// Writes the head of an attempt, and asks for the answer to it.
pub fn exchange(
    connection: &Connection,
    shaped: &Shaped,
    picked: &Picked,
    connected: &Connected,
    own: &OwnMetadata,
) -> RequestHead {
    let mut head = shaped.head.clone();
    rewrite_host(&mut head, shaped, picked);
    let outbound = connection.direction() != Direction::Inbound;
    if outbound && connected.mutual_tls && !own.id.is_empty() {
        put(&mut head.fields, PEER_METADATA_ID, &*own.id);
        put(&mut head.fields, PEER_METADATA, &*own.value);
    }
    if connected.version == Version::Http2 {
        head.fields.remove("connection");
        head.fields.remove("upgrade");
    }
    head
}

fn rewrite_host(head: &mut RequestHead, shaped: &Shaped, picked: &Picked) {
    let crate::http::shape::Plan::Forward(forwarding) = &shaped.plan else {
        return;
    };
    if !forwarding.endpoint_names_host {
        return;
    }
    let endpoint = picked.endpoint.as_ref().and_then(|at| at.endpoint());
    let name = endpoint.and_then(|endpoint| endpoint.hostname.clone());
    let decision = shaped.found.decision();
    if let (Some(name), Some(mesh_traffic::Action::Forward(forward))) =
        (name, decision.map(|decision| decision.action))
    {
        forward.set_authority(head, &name);
    }
}

/// What the retry policy sees of an answer.
#[must_use]
pub fn seen_by_policy(head: &ResponseHead) -> PolicyKind {
    let grpc_status = head
        .fields
        .get_str("grpc-status")
        .and_then(|text| text.parse().ok());
    PolicyKind::Answer {
        status: head.status,
        grpc_status,
        rate_limited: head.fields.contains("x-envoy-ratelimited"),
    }
}

/// What an attempt came to.
pub type Exchanged = Result<ResponseHead, Failure>;
