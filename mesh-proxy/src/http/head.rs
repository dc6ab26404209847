//! Stage head: makes of what a codec read the one head that everything after it may trust.
//!
//! Refuses what has two meanings, drops what belongs to one connection, and writes the headers by
//! which Envoy's users know a proxied request.

mod client_cert;
mod target;

use mesh_http::{RequestHead, Scheme, Version};
use mesh_traffic::listener::{Direction, HttpManager, Underscores};

use crate::http::connection::{Connection, Served};
use crate::http::failure::{Failure, FailureKind};
use crate::http::stage::Stage;
use crate::http::upgrade;

/// A request as a codec read it.
#[derive(Debug, Clone, Default)]
pub struct Arrival {
    /// The head; the authority is empty when the request has none.
    pub head: RequestHead,
    /// How many `host` fields there were.
    pub hosts: usize,
    /// Whether the request has no body.
    pub bodiless: bool,
}

/// A request whose head is in order.
#[derive(Debug)]
pub struct Headed {
    /// The head.
    pub head: RequestHead,
    /// The protocol that the connection shall change to.
    pub upgrade: Option<String>,
    /// What the peer's proxy said of its workload.
    pub peer_metadata: PeerMetadata,
}

/// The metadata headers of an authenticated peer; empty when there were none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PeerMetadata {
    /// Value of x-envoy-peer-metadata-id.
    pub id: Vec<u8>,
    /// Value of x-envoy-peer-metadata.
    pub value: Vec<u8>,
    /// Whether the headers were there at all: then the answer carries ours.
    pub asked: bool,
}

/// Name of the header with a proxy's identifier.
pub const PEER_METADATA_ID: &str = "x-envoy-peer-metadata-id";
/// Name of the header with a workload's metadata.
pub const PEER_METADATA: &str = "x-envoy-peer-metadata";
const DECORATOR: &str = "x-envoy-decorator-operation";
const FORWARDED_PROTO: &str = "x-forwarded-proto";
const FORWARDED_FOR: &str = "x-forwarded-for";
const REQUEST_ID: &str = "x-request-id";

/// Puts the head of a request in order.
pub fn head(
    connection: &Connection,
    served: &Served,
    arrival: Arrival,
    random: &mut fastrand::Rng,
) -> Stage<Headed> {
    let Some(manager) = served.manager() else {
        return Failure::new(FailureKind::RouteUnusable).into();
    };
    match arrange(connection, served, manager, arrival, random) {
        Ok(headed) => Stage::Ready(headed),
        Err(failure) => failure.into(),
    }
}

fn arrange(
    connection: &Connection,
    served: &Served,
    manager: &HttpManager,
    arrival: Arrival,
    random: &mut fastrand::Rng,
) -> Result<Headed, Failure> {
    let Arrival {
        mut head,
        hosts,
        bodiless,
    } = arrival;
    target::check(&head, hosts)?;
    target::normalize(&mut head, manager)?;
    underscores(&mut head.fields, manager.underscores)?;
    let upgrade = wanted_upgrade(&head, bodiless)?;
    strip_hop_by_hop(&mut head.fields, upgrade.as_deref());
    if let Some(authority) = &served.listener.authority {
        target::name_own_address(&mut head, connection, authority);
    }
    let peer_metadata = take_peer_metadata(&mut head, connection);
    forwarded(&mut head, connection, manager);
    client_cert::apply(&mut head, connection, manager);
    head.fields.remove(DECORATOR);
    if manager.generate_request_id && !head.fields.contains(REQUEST_ID) {
        put(&mut head.fields, REQUEST_ID, uuid(random));
    }
    Ok(Headed {
        head,
        upgrade,
        peer_metadata,
    })
}

/// Names with an underscore: what reads them as hyphens would take them for other fields.
pub(crate) fn underscores(
    fields: &mut mesh_http::Fields,
    what: Underscores,
) -> Result<(), Failure> {
    let is_one = |name: &str| name.contains('_');
    match what {
        Underscores::Pass => {}
        Underscores::Drop => fields.remove_if(|name, _| is_one(name)),
        Underscores::Refuse if fields.iter().any(|(name, _)| is_one(name)) => {
            let failure = Failure::new(FailureKind::BadRequest);
            return Err(failure.caused_by("a header name has an underscore"));
        }
        Underscores::Refuse => {}
    }
    Ok(())
}

/// The upgrade to be passed through; one that may be ignored counts as none.
fn wanted_upgrade(head: &RequestHead, bodiless: bool) -> Result<Option<String>, Failure> {
    if head.method == "CONNECT" {
        return Err(Failure::new(FailureKind::UpgradeUnsupported)
            .caused_by("CONNECT is not carried by this proxy"));
    }
    match upgrade::wanted(head) {
        // A server may go on in HTTP/1.1 (RFC 9110 7.8): smuggling h2c past a proxy ends here.
        Some(protocol) if protocol == "h2c" => Ok(None),
        Some(protocol)
            if protocol == "websocket" && head.version == Version::Http11 && bodiless =>
        {
            Ok(Some(protocol))
        }
        Some(protocol) => Err(
            Failure::new(FailureKind::UpgradeUnsupported).caused_by(format!(
                "upgrade to {protocol:?} is not carried by this proxy"
            )),
        ),
        None => Ok(None),
    }
}

/// Drops the fields that are meant for the next hop alone (RFC 9110 7.6.1).
pub fn strip_hop_by_hop(fields: &mut mesh_http::Fields, upgrade: Option<&str>) {
    let trailers = upgrade::has_token(fields, "te", "trailers");
    if fields.contains("connection") {
        let named: Vec<String> = fields
            .get_all("connection")
            .flat_map(|value| value.split(|byte| *byte == b','))
            .map(|name| String::from_utf8_lossy(name.trim_ascii()).to_ascii_lowercase())
            .filter(|name| !name.is_empty())
            .collect();
        fields.remove_if(|name, _| named.iter().any(|own| own == name));
    }
    for name in HOP_BY_HOP {
        fields.remove(name);
    }
    if trailers {
        put(fields, "te", "trailers");
    }
    if let Some(protocol) = upgrade {
        put(fields, "connection", "upgrade");
        put(fields, "upgrade", protocol);
    }
}

/// Fields that are meant for the next hop alone, named by `connection` or not.
const HOP_BY_HOP: [&str; 8] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "transfer-encoding",
    "te",
    "upgrade",
    "http2-settings",
];

/// Takes the peer's metadata headers out: the application never sees them, and only a peer that
/// proved who it is may send them. Our own application's are ours to overwrite.
fn take_peer_metadata(head: &mut RequestHead, connection: &Connection) -> PeerMetadata {
    let authentic = connection.peer.is_some() && connection.direction() == Direction::Inbound;
    take_metadata(&mut head.fields, authentic)
}

/// Takes the metadata headers out of a message; those of a peer that is not `authentic` count for
/// nothing.
pub fn take_metadata(fields: &mut mesh_http::Fields, authentic: bool) -> PeerMetadata {
    let value = |name| {
        fields
            .get(name)
            .filter(|_| authentic)
            .unwrap_or_default()
            .to_vec()
    };
    let (id, metadata) = (value(PEER_METADATA_ID), value(PEER_METADATA));
    fields.remove(PEER_METADATA);
    let asked = fields.remove(PEER_METADATA_ID) && authentic;
    PeerMetadata {
        id,
        value: metadata,
        asked,
    }
}

/// x-forwarded-for and -proto: at an edge the connection tells, inside the proxy before us.
fn forwarded(head: &mut RequestHead, connection: &Connection, manager: &HttpManager) {
    let own = if connection.tls {
        Scheme::Https
    } else {
        Scheme::Http
    };
    let edge = manager.use_remote_address;
    if edge {
        // Only proxies may say such things, and a client at the edge is none.
        head.fields
            .remove_if(|name, _| name.starts_with("x-envoy-"));
        append_client(head, connection);
    }
    let told = match head.fields.get(FORWARDED_PROTO) {
        Some(b"https") => Some(Scheme::Https),
        Some(b"http") => Some(Scheme::Http),
        Some(_) | None => None,
    };
    let trusted = told.filter(|_| !edge || manager.trusted_hops > 0);
    // What `:scheme` or an absolute target says is the client's word alone, and is not refused
    // either: behind a balancer that ends TLS it is true (RFC 9113 8.3.1).
    head.scheme = trusted.unwrap_or(own);
    if trusted.is_none() {
        put(&mut head.fields, FORWARDED_PROTO, own.as_str());
    }
}

fn append_client(head: &mut RequestHead, connection: &Connection) {
    let client = connection.client.ip().to_string();
    let mut chain = Vec::new();
    for value in head.fields.get_all(FORWARDED_FOR) {
        chain.extend_from_slice(value);
        chain.push(b',');
    }
    chain.extend_from_slice(client.as_bytes());
    put(&mut head.fields, FORWARDED_FOR, chain);
}

/// A random UUID (RFC 9562 5.4).
fn uuid(random: &mut fastrand::Rng) -> [u8; 36] {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let bits = random.u128(..) & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    let mut left = bits;
    let mut text = [b'-'; 36];
    for (index, place) in text.iter_mut().enumerate().rev() {
        if matches!(index, 8 | 13 | 18 | 23) {
            continue;
        }
        let digit = usize::from((left & 0xf) as u8);
        *place = HEX.get(digit).copied().unwrap_or(b'0');
        left >>= 4;
    }
    text
}

/// Puts a value that is known to be fit for a header.
pub(crate) fn put(fields: &mut mesh_http::Fields, name: &str, value: impl AsRef<[u8]>) {
    if let Err(error) = fields.set(name, value) {
        tracing::debug!(header = name, %error, "header not written");
    }
}

#[cfg(test)]
mod tests;
