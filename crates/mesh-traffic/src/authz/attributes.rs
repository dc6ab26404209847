//! What a service of gRPC is told of a request: `CheckRequest`.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use mesh_http::RequestHead;
use mesh_proto::envoy::envoy::config::core::v3 as core;
use mesh_proto::envoy::envoy::service::auth::v3 as pb;
use mesh_proto::envoy::envoy::service::auth::v3::attribute_context as context;
use mesh_proto::envoy::google::protobuf::Timestamp;
use prost::Message;

use super::{Body, Check, Known, PARTIAL_BODY, Rules, names};

/// The client's workload, as its own proxy may say.
const DOWNSTREAM_CLUSTER: &str = "x-envoy-downstream-service-cluster";

pub(super) fn message(check: &Check, known: &Known<'_>, body: Option<Body>) -> Vec<u8> {
    let rules = &check.of.rules;
    let place = check.place.as_ref();
    let facts = &known.facts;
    let service = known.head.fields.get(DOWNSTREAM_CLUSTER);
    let source = context::Peer {
        address: Some(address(facts.remote)),
        service: service.map(text).unwrap_or_default(),
        principal: facts.peer.unwrap_or_default().to_owned(),
        certificate: known.certificate.unwrap_or_default().to_owned(),
        ..Default::default()
    };
    let destination = context::Peer {
        address: Some(address(facts.local)),
        principal: facts.own.unwrap_or_default().to_owned(),
        ..Default::default()
    };
    let sees_session = rules.shows_session && facts.tls.is_some();
    let attributes = pb::AttributeContext {
        source: Some(source),
        destination: Some(destination),
        request: Some(context::Request {
            time: Some(timestamp(known.arrived)),
            http: Some(request(check, known, body)),
        }),
        context_extensions: place.map_or_else(HashMap::new, |place| {
            place.extensions.clone().into_iter().collect()
        }),
        tls_session: sees_session.then(|| context::TlsSession {
            sni: facts.sni.unwrap_or_default().to_owned(),
        }),
        ..Default::default()
    };
    let request = pb::CheckRequest {
        attributes: Some(attributes),
    };
    request.encode_to_vec()
}

fn request(check: &Check, known: &Known<'_>, body: Option<Body>) -> context::HttpRequest {
    let head = known.head;
    let mut request = context::HttpRequest {
        id: head
            .fields
            .get("x-request-id")
            .map(text)
            .unwrap_or_default(),
        method: head.method.clone(),
        path: head.path.clone(),
        host: head.authority.clone(),
        scheme: head.scheme.as_str().to_owned(),
        size: size(known, body.as_ref()),
        protocol: head.version.as_str().to_owned(),
        ..Default::default()
    };
    let rules = &check.of.rules;
    let partial = body.as_ref().map(|body| !body.whole);
    match rules.raw_fields {
        true => {
            request.header_map = Some(core::HeaderMap {
                headers: raw(rules, head, partial),
            })
        }
        false => request.headers = joined(rules, head, partial),
    }
    if let (Some(body), Some(how)) = (body, check.buffering()) {
        match how.as_bytes {
            true => request.raw_body = body.bytes,
            false => request.body = into_text(body.bytes),
        }
    }
    request
}

/// Bytes of the body, or what the client says of them; minus one where nobody knows.
fn size(known: &Known<'_>, body: Option<&Body>) -> i64 {
    let said = known.head.fields.get_str("content-length");
    let said = said.and_then(|text| text.parse().ok());
    match body {
        Some(body) if body.whole => i64::try_from(body.bytes.len()).unwrap_or(i64::MAX),
        _ if known.ended => said.unwrap_or(0),
        _ => said.unwrap_or(-1),
    }
}

/// The fields of a request that the service sees, with those that stand for its first line.
fn seen<'a>(rules: &'a Rules, head: &'a RequestHead) -> impl Iterator<Item = (&'a str, &'a [u8])> {
    let first = [
        (":authority", head.authority.as_bytes()),
        (":method", head.method.as_bytes()),
        (":path", head.path.as_bytes()),
        (":scheme", head.scheme.as_str().as_bytes()),
    ];
    let all = first.into_iter().chain(head.fields.iter());
    all.filter(|(name, _)| {
        let allowed = rules.allowed.as_ref();
        *name != PARTIAL_BODY
            && allowed.is_none_or(|list| names(list, name))
            && !names(&rules.disallowed, name)
    })
}

fn joined(rules: &Rules, head: &RequestHead, partial: Option<bool>) -> HashMap<String, String> {
    let mut all: HashMap<String, String> = HashMap::new();
    for (name, value) in seen(rules, head) {
        let value = text(value);
        match all.get_mut(name) {
            Some(before) => {
                before.push(',');
                before.push_str(&value);
            }
            None => {
                all.insert(name.to_owned(), value);
            }
        }
    }
    if let Some(partial) = partial {
        all.insert(PARTIAL_BODY.to_owned(), partial.to_string());
    }
    all
}

fn raw(rules: &Rules, head: &RequestHead, partial: Option<bool>) -> Vec<core::HeaderValue> {
    let field = |name: &str, value: &[u8]| core::HeaderValue {
        key: name.to_owned(),
        raw_value: value.to_vec(),
        ..Default::default()
    };
    let seen = seen(rules, head).map(|(name, value)| field(name, value));
    let partial = partial.map(|partial| field(PARTIAL_BODY, partial.to_string().as_bytes()));
    seen.chain(partial).collect()
}

/// Envoy: a byte that is no text becomes an exclamation mark.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace('\u{fffd}', "!")
}

fn into_text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| text(error.as_bytes()))
}

fn address(address: SocketAddr) -> core::Address {
    let socket = core::SocketAddress {
        address: address.ip().to_string(),
        port_specifier: Some(core::socket_address::PortSpecifier::PortValue(
            address.port().into(),
        )),
        ..Default::default()
    };
    core::Address {
        address: Some(core::address::Address::SocketAddress(socket)),
    }
}

fn timestamp(since: Duration) -> Timestamp {
    Timestamp {
        seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        // Less than a thousand million, always.
        nanos: i32::try_from(since.subsec_nanos()).unwrap_or_default(),
    }
}
