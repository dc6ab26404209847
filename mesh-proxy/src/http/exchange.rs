//! Stage exchange: the request over a connection, and what the upstream makes of it.

use mesh_http::{BadField, Fields, Known, RequestHead, ResponseHead, Version};
use mesh_model::Str;
use mesh_traffic::FailureKind as PolicyKind;
use mesh_traffic::listener::Direction;
use mesh_traffic::outlier::Outcome;

use crate::http::connect::Connected;
use crate::http::connection::Connection;
use crate::http::failure::Failure;
use crate::http::head::{PEER_METADATA, PEER_METADATA_ID, put, put_known};
use crate::http::pick::Picked;
use crate::http::shape::Shaped;

/// Our workload's metadata, as the two headers carry it; without them nobody is told anything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OwnMetadata {
    headers: Option<[Known; 2]>,
    cluster: Str,
}

impl OwnMetadata {
    /// The values of the headers `x-envoy-peer-metadata-id` and `x-envoy-peer-metadata`.
    ///
    /// # Errors
    /// When one of them cannot stand in a header.
    pub fn new(id: &str, value: &str) -> Result<Self, BadField> {
        let id = Known::new(PEER_METADATA_ID, id)?;
        Ok(Self {
            headers: Some([id, Known::new(PEER_METADATA, value)?]),
            cluster: Str::default(),
        })
    }

    /// The same of a proxy that belongs to this cluster, as its node says.
    #[must_use]
    pub fn in_cluster(self, cluster: Str) -> Self {
        Self { cluster, ..self }
    }

    /// The cluster that this proxy belongs to.
    #[must_use]
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// The value of `x-envoy-peer-metadata`; empty when there is none.
    #[must_use]
    pub fn value(&self) -> &[u8] {
        self.headers
            .as_ref()
            .map_or(b"", |[_, value]| value.value())
    }

    /// Writes the headers.
    pub fn put(&self, fields: &mut Fields) {
        for field in self.headers.iter().flatten() {
            put_known(fields, field);
        }
    }
}

/// What an attempt's head is made of.
#[derive(Clone, Copy)]
pub struct Sending<'a> {
    /// The connection that the request came on.
    pub connection: &'a Connection,
    /// The request.
    pub shaped: &'a Shaped,
    /// Where it goes.
    pub picked: &'a Picked,
    /// Which attempt it is, from 1.
    pub attempt: u32,
    /// Our own metadata.
    pub own: &'a OwnMetadata,
}

/// Name of the header that counts attempts.
pub const ATTEMPT_COUNT: &str = "x-envoy-attempt-count";

/// Finishes the head of an attempt, which is shaped already.
pub fn exchange(sending: &Sending<'_>, connected: &Connected, head: &mut RequestHead) {
    let Sending {
        connection,
        shaped,
        picked,
        attempt,
        own,
    } = *sending;
    rewrite_host(head, shaped, picked);
    let outbound = connection.direction() != Direction::Inbound;
    if outbound && connected.mutual_tls {
        own.put(&mut head.fields);
    }
    let host = shaped
        .found
        .decision()
        .and_then(|decision| decision.virtual_host);
    if host.is_some_and(|host| host.attempt_count_in_request) {
        put(&mut head.fields, ATTEMPT_COUNT, attempt.to_string());
    }
    if connected.version == Version::Http2 {
        head.fields.remove("connection");
        head.fields.remove("upgrade");
    }
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

/// What an answer says of the endpoint; as in Envoy, a gRPC status in the head speaks for the call.
#[must_use]
pub fn outcome_of(head: &ResponseHead) -> Outcome {
    let grpc = head.fields.get_str("grpc-status").map(|text| match text {
        "0" => 200,
        "1" => 499,
        "3" | "9" | "11" => 400,
        "4" => 504,
        "5" => 404,
        "6" | "10" => 409,
        "7" => 403,
        "8" => 429,
        "12" => 501,
        "14" => 503,
        "16" => 401,
        _ => 500,
    });
    Outcome::Answer(grpc.unwrap_or(head.status))
}

/// What an attempt came to.
pub type Exchanged = Result<ResponseHead, Failure>;
