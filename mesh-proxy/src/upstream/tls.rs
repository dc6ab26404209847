//! TLS configurations towards upstreams: one for each way of being reached, made once and kept.
//!
//! Certificate and roots are looked up at each handshake, so a renewal needs no new configuration.

mod outside;

use std::cell::RefCell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mesh_model::Str;
use mesh_model::time::Clock;
use mesh_pki::live::LiveIdentity;
use mesh_pki::tls::{self, Expect};
use mesh_traffic::tls::{Identity, Roots, Sans, UpstreamTls};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use crate::http::failure::{Failure, FailureKind};
use crate::upstream::target::Speak;
pub use crate::upstream::tls::outside::OutsideError;

/// ALPN of a connection between two proxies of the mesh: Istio's marks, by which a listener that
/// takes both TLS of the mesh and of applications tells them apart, and the real protocols.
const MESH_HTTP2: &[&[u8]] = &[b"istio-h2", b"istio", b"h2"];
const MESH_HTTP1: &[&[u8]] = &[b"istio-http/1.1", b"istio", b"http/1.1"];
const MESH_EITHER: &[&[u8]] = &[b"istio-h2", b"istio", b"h2", b"istio-http/1.1", b"http/1.1"];
/// ALPN of bytes that are passed on between two proxies of the mesh.
const MESH_TCP: &[&[u8]] = &[b"istio-peer-exchange", b"istio"];

/// What a connection carries, as far as ALPN is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Carries {
    /// HTTP.
    Http(Speak),
    /// Bytes.
    Tcp,
}

/// The configurations of one worker.
pub struct TlsConfigs {
    identity: Option<LiveIdentity>,
    clock: Arc<dyn Clock>,
    made: RefCell<Vec<Made>>,
}

struct Made {
    wanted: Arc<UpstreamTls>,
    carries: Carries,
    config: Arc<ClientConfig>,
    at: Instant,
}

/// How many configurations are kept before all are made anew.
const KEPT: usize = 1024;
/// After how long files are read again: certificates in them are renewed by others.
const FILES_FRESH: Duration = Duration::from_secs(60);

impl TlsConfigs {
    /// With an identity; without one only plaintext is possible.
    #[must_use]
    pub fn new(identity: Option<LiveIdentity>, clock: Arc<dyn Clock>) -> Self {
        Self {
            identity,
            clock,
            made: RefCell::default(),
        }
    }

    /// The configuration for a way of being reached.
    ///
    /// # Errors
    /// [`FailureKind::TlsFailed`] when it asks for something that this proxy does not have.
    pub fn config(
        &self,
        wanted: &Arc<UpstreamTls>,
        carries: Carries,
    ) -> Result<Arc<ClientConfig>, Failure> {
        let now = self.clock.now();
        let mut made = self.made.borrow_mut();
        let same = |made: &Made| {
            made.carries == carries && (Arc::ptr_eq(&made.wanted, wanted) || made.wanted == *wanted)
        };
        let fresh = |made: &Made| {
            is_of_mesh(wanted) || now.saturating_duration_since(made.at) < FILES_FRESH
        };
        if let Some(known) = made.iter().find(|made| same(made) && fresh(made)) {
            return Ok(known.config.clone());
        }
        let config = Arc::new(self.make(wanted, carries)?);
        made.retain(|made| !same(made));
        if made.len() >= KEPT {
            made.clear();
        }
        made.push(Made {
            wanted: wanted.clone(),
            carries,
            config: config.clone(),
            at: now,
        });
        Ok(config)
    }

    fn make(&self, wanted: &UpstreamTls, carries: Carries) -> Result<ClientConfig, Failure> {
        let failed = || Failure::new(FailureKind::TlsFailed);
        if !is_of_mesh(wanted) {
            return outside::make(wanted, carries).map_err(|error| failed().caused_by(error));
        }
        let live = self.identity.as_ref();
        let live = live.ok_or_else(|| failed().caused_by("this proxy has no identity"))?;
        let expect = expect(&wanted.servers, live);
        tls::client_config(live, expect, mesh_alpn(carries))
            .map_err(|error| failed().caused_by(error))
    }
}

/// The configuration towards a gRPC server outside the mesh, anew.
///
/// # Errors
/// When it asks for something that this proxy does not have, or its files cannot be read.
pub fn outside_grpc(wanted: &UpstreamTls) -> Result<ClientConfig, OutsideError> {
    outside::make(wanted, Carries::Http(Speak::Http2))
}

/// Whether both sides are workloads of the mesh, each with its own identity.
pub(super) fn is_of_mesh(wanted: &UpstreamTls) -> bool {
    wanted.identity == Some(Identity::Workload) && wanted.roots == Roots::Mesh
}

fn mesh_alpn(carries: Carries) -> &'static [&'static [u8]] {
    match carries {
        Carries::Http(Speak::Http1) => MESH_HTTP1,
        Carries::Http(Speak::Http2) => MESH_HTTP2,
        Carries::Http(Speak::Either) => MESH_EITHER,
        Carries::Tcp => MESH_TCP,
    }
}

/// Whom a server's certificate may name; without a word about it, anybody of our trust domain.
fn expect(servers: &Sans, live: &LiveIdentity) -> Expect {
    if !servers.exact.is_empty() {
        return Expect::AnyOf(servers.exact.clone());
    }
    let own = || live.current().spiffe_id().trust_domain().clone();
    Expect::TrustDomain(servers.trust_domains().next().unwrap_or_else(own))
}

/// The name that is asked for; without one the address itself, which sends no SNI.
///
/// # Errors
/// [`FailureKind::TlsFailed`] when the configured name is none.
pub fn server_name(
    sni: Option<&Str>,
    address: std::net::SocketAddr,
) -> Result<ServerName<'static>, Failure> {
    let Some(sni) = sni else {
        return Ok(ServerName::IpAddress(address.ip().into()));
    };
    ServerName::try_from(sni.to_string())
        .map_err(|error| Failure::new(FailureKind::TlsFailed).caused_by(error))
}
