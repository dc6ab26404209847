//! Stage head: makes of what a codec read the one head that everything after it may trust.
//!
//! Refuses what has two meanings, drops what belongs to one connection, and writes the headers by
//! which Envoy's users know a proxied request.

pub(crate) mod client_cert;
mod target;

use std::ops::Range;

use mesh_http::{Fields, Known, Name, Names, RequestHead, Scheme, Version};
use mesh_traffic::listener::{Direction, HttpManager, Underscores};

use crate::http::connection::{Connection, Served};
use crate::http::failure::{Failure, FailureKind};
use crate::http::stage::Stage;
use crate::http::upgrade;

/// A request as a codec read it.
#[derive(Debug, Clone, Default)]
pub struct Arrival {
    /// The head; the authority is empty when the request has none.
    pub head: Box<RequestHead>,
    /// How many `host` fields there were.
    pub hosts: usize,
    /// Whether the request has no body.
    pub bodiless: bool,
}

/// A request while its head is put in order.
pub struct Arriving<'a> {
    /// The head.
    pub head: &'a mut RequestHead,
    /// Where that goes which the peer's proxy says of its workload.
    pub peer_metadata: &'a mut PeerMetadata,
    /// How many `host` fields there were.
    pub hosts: usize,
    /// Whether the request has no body.
    pub bodiless: bool,
}

/// A request whose head is in order, and stays as it is.
#[derive(Debug)]
pub struct Headed<'a> {
    /// The head.
    pub head: &'a RequestHead,
    /// The protocol that the connection shall change to.
    pub upgrade: Option<String>,
}

/// The metadata headers of an authenticated peer; empty when there were none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PeerMetadata {
    /// Value of x-envoy-peer-metadata.
    pub value: Vec<u8>,
    /// Whether the headers were there at all: then the answer carries ours.
    pub asked: bool,
}

impl PeerMetadata {
    /// Forgets everything and keeps the room it took.
    pub fn clear(&mut self) {
        self.value.clear();
        self.asked = false;
    }
}

/// Name of the header with a proxy's identifier.
pub const PEER_METADATA_ID: &str = "x-envoy-peer-metadata-id";
/// Name of the header with a workload's metadata.
pub const PEER_METADATA: &str = "x-envoy-peer-metadata";
const DECORATOR: &str = "x-envoy-decorator-operation";
const FORWARDED_PROTO: Name = Name::new("x-forwarded-proto");
const FORWARDED_FOR: &str = "x-forwarded-for";
const REQUEST_ID: Name = Name::new("x-request-id");
/// The peer's metadata, to be taken out together.
const METADATA: Names = Names::new(&[PEER_METADATA, PEER_METADATA_ID]);
/// What proxies tell one another with an answer, and nobody else.
pub(crate) const OF_PROXIES: Names = Names::new(&[PEER_METADATA, PEER_METADATA_ID, DECORATOR]);

/// Puts the head of a request in order.
pub fn head<'a>(
    connection: &Connection,
    served: &Served,
    arriving: Arriving<'a>,
    random: &mut fastrand::Rng,
) -> Stage<Headed<'a>> {
    let Some(manager) = served.manager() else {
        return Failure::new(FailureKind::RouteUnusable).into();
    };
    match arrange(connection, served, manager, arriving, random) {
        Ok(headed) => Stage::Ready(headed),
        Err(failure) => failure.into(),
    }
}

fn arrange<'a>(
    connection: &Connection,
    served: &Served,
    manager: &HttpManager,
    arriving: Arriving<'a>,
    random: &mut fastrand::Rng,
) -> Result<Headed<'a>, Failure> {
    let Arriving {
        head,
        peer_metadata,
        hosts,
        bodiless,
    } = arriving;
    target::check(head, hosts)?;
    target::normalize(head, manager)?;
    underscores(&mut head.fields, manager.underscores)?;
    let upgrade = wanted_upgrade(head, bodiless)?;
    strip_hop_by_hop(&mut head.fields, upgrade.as_deref());
    if let Some(authority) = &served.listener.authority {
        target::name_own_address(head, connection, authority);
    }
    // The application never sees a peer's metadata, and only a peer that proved who it is may send
    // them. Our own application's are ours to overwrite.
    let authentic = connection.peer.is_some() && connection.direction() == Direction::Inbound;
    take_metadata(&mut head.fields, authentic, peer_metadata);
    forwarded(head, connection, manager);
    client_cert::apply(head, connection, manager);
    head.fields.remove(DECORATOR);
    if manager.generate_request_id && !head.fields.contains(REQUEST_ID.as_str()) {
        put_named(&mut head.fields, REQUEST_ID, uuid(random));
    }
    Ok(Headed { head, upgrade })
}

/// Names with an underscore: what reads them as hyphens would take them for other fields.
pub(crate) fn underscores(fields: &mut Fields, what: Underscores) -> Result<(), Failure> {
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
pub fn strip_hop_by_hop(fields: &mut Fields, upgrade: Option<&str>) {
    if upgrade.is_none() && !fields.contains("connection") && has_plain_te(fields) {
        return fields.remove_all(&HOP_BY_HOP_BUT_TE);
    }
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
    fields.remove_all(&HOP_BY_HOP_BUT_TE);
    fields.remove("te");
    if trailers {
        put(fields, "te", "trailers");
    }
    if let Some(protocol) = upgrade {
        put(fields, "connection", "upgrade");
        put(fields, "upgrade", protocol);
    }
}

/// Whether `te` is missing, or is what may stay of it.
fn has_plain_te(fields: &Fields) -> bool {
    let mut all = fields.get_all("te");
    matches!(
        (all.next(), all.next()),
        (None, _) | (Some(b"trailers"), None)
    )
}

/// Fields that are meant for the next hop alone, named by `connection` or not; and `te`.
const HOP_BY_HOP_BUT_TE: Names = Names::new(&[
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
]);

/// Takes the metadata headers out of a message; those of a peer that is not `authentic` count for
/// nothing.
pub fn take_metadata(fields: &mut Fields, authentic: bool, into: &mut PeerMetadata) {
    into.clear();
    if !fields.may_have_one_of(&METADATA) {
        return;
    }
    if authentic {
        let value = fields.get(PEER_METADATA).unwrap_or_default();
        into.value.extend_from_slice(value);
        into.asked = fields.contains(PEER_METADATA_ID);
    }
    fields.remove_all(&METADATA);
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
    let told = match head.fields.get(FORWARDED_PROTO.as_str()) {
        Some(b"https") => Some(Scheme::Https),
        Some(b"http") => Some(Scheme::Http),
        Some(_) | None => None,
    };
    let trusted = told.filter(|_| !edge || manager.trusted_hops > 0);
    // What `:scheme` or an absolute target says is the client's word alone, and is not refused
    // either: behind a balancer that ends TLS it is true (RFC 9113 8.3.1).
    head.scheme = trusted.unwrap_or(own);
    if trusted.is_none() {
        put_named(&mut head.fields, FORWARDED_PROTO, own.as_str());
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
    let bits = random.u128(..) & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    let [upper, lower] = [(bits >> 64) as u64, bits as u64].map(hex);
    let mut text = [b'-'; 36];
    let (first, second) = text.split_at_mut(18);
    copy(first, 0, &upper, 0..8);
    copy(first, 9, &upper, 8..12);
    copy(first, 14, &upper, 12..16);
    copy(second, 1, &lower, 0..4);
    copy(second, 6, &lower, 4..16);
    text
}

fn copy(to: &mut [u8], at: usize, from: &[u8], part: Range<usize>) {
    if let (Some(to), Some(from)) = (to.get_mut(at..at + part.len()), from.get(part)) {
        to.copy_from_slice(from);
    }
}

/// A number in sixteen digits of base 16, all at once.
fn hex(number: u64) -> [u8; 16] {
    let digits = [number >> 32, number & 0xffff_ffff].map(|half| {
        // Each half byte into a byte of its own, the first digit in the lowest one.
        let half = half.swap_bytes() >> 32;
        let wide = (half | half << 16) & 0x0000_ffff_0000_ffff;
        let wide = (wide | wide << 8) & 0x00ff_00ff_00ff_00ff;
        let wide = (wide >> 4 | wide << 8) & 0x0f0f_0f0f_0f0f_0f0f;
        // A carry into the fifth bit tells the letters, which stand 39 places further on.
        let letters = (wide + 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101;
        (wide + 0x3030_3030_3030_3030 + letters * 39).to_le_bytes()
    });
    let [first, last] = digits;
    let mut text = [0; 16];
    copy(&mut text, 0, &first, 0..8);
    copy(&mut text, 8, &last, 0..8);
    text
}

/// Puts a field that was checked before.
pub(crate) fn put_known(fields: &mut Fields, field: &Known) {
    if let Err(error) = fields.put(field) {
        tracing::debug!(?field, %error, "header not written");
    }
}

/// Puts a value that is known to be fit for a header, under a name of ours.
#[inline]
pub(crate) fn put_named(fields: &mut Fields, name: Name, value: impl AsRef<[u8]>) {
    if let Err(error) = fields.set_named(name, value) {
        tracing::debug!(header = name.as_str(), %error, "header not written");
    }
}

/// Puts a value that is known to be fit for a header.
pub(crate) fn put(fields: &mut Fields, name: &str, value: impl AsRef<[u8]>) {
    if let Err(error) = fields.set(name, value) {
        tracing::debug!(header = name, %error, "header not written");
    }
}

#[cfg(test)]
mod tests;
