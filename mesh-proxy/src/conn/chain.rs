//! Which filter chain takes a connection, once its first bytes are known.

use std::net::SocketAddr;

use mesh_traffic::listener::{ConnFacts, Inspection, Listener, Transport};

use crate::conn::sniff::{Hello, Looking, Sniffed};

/// What is known of a connection before its first bytes.
pub struct Facts<'a> {
    /// The client's address.
    pub client: SocketAddr,
    /// The address that the client connected to.
    pub local: SocketAddr,
    /// The listener that took it.
    pub listener: &'a Listener,
}

/// Index of the chain that takes the connection; `None` means that nobody does: it is closed.
#[must_use]
pub fn chain(of: &Facts<'_>, sniffed: &Sniffed) -> Option<usize> {
    let none = Hello::default();
    let (transport, hello) = match sniffed {
        Sniffed::Tls(hello) => (Transport::Tls, hello),
        Sniffed::Http2 | Sniffed::Http1 | Sniffed::Plain => (Transport::Raw, &none),
    };
    let mut alpn: Vec<&str> = hello
        .alpn
        .iter()
        .filter_map(|name| std::str::from_utf8(name).ok())
        .collect();
    // As Envoy's HTTP inspector says it of plaintext.
    match sniffed {
        Sniffed::Http2 => alpn.push("h2c"),
        Sniffed::Http1 => alpn.push("http/1.1"),
        Sniffed::Plain | Sniffed::Tls(_) => {}
    }
    let facts = ConnFacts {
        local: of.local,
        remote: of.client,
        transport,
        alpn: &alpn,
        sni: hello.sni.as_deref(),
    };
    let chosen = of.listener.chain(&facts)?;
    of.listener
        .chains
        .iter()
        .position(|chain| std::ptr::eq(chain, chosen))
}

/// What is looked for in the first bytes of a connection.
#[must_use]
pub fn looking_for(inspection: Inspection) -> Looking {
    if inspection.http {
        Looking::Protocol
    } else if inspection.version {
        Looking::Version
    } else {
        Looking::Tls
    }
}
