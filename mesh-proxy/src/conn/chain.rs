//! Which filter chain takes a connection, once its first bytes are known.

use std::net::SocketAddr;

use mesh_traffic::listener::{ConnFacts, FilterChain, Listener, Network, Transport};

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

/// What must be known of the first bytes of its connections.
#[must_use]
pub fn looking_for(listener: &Listener) -> Looking {
    let http = |chain: &FilterChain| matches!(chain.network, Network::Http(_));
    if listener.needs_http_inspection {
        Looking::Protocol
    } else if listener.chains.iter().any(http) {
        Looking::Version
    } else {
        Looking::Tls
    }
}

/// Whether the first bytes of a connection must be known before anything else happens.
#[must_use]
pub fn needs_first_bytes(listener: &Listener) -> bool {
    let http = |chain: &FilterChain| matches!(chain.network, Network::Http(_));
    listener.needs_tls_inspection || listener.chains.iter().any(|c| c.tls.is_some() || http(c))
}
