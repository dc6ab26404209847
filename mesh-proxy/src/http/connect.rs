//! Stage connect: a connection to the picked endpoint, from the pool or a new one.

use std::time::Duration;

use mesh_http::Version;
use mesh_model::Str;

use crate::http::pick::Picked;
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

/// Asks for a connection to the picked endpoint.
#[must_use]
pub fn connect(picked: &Picked) -> Stage<Connected> {
    Stage::Wait(Wait::Connect(picked.target.clone()))
}
