//! The path of a connection: listen -> accept -> sniff -> handshake -> chain -> http | forward_tcp.

pub mod accept;
pub mod chain;
pub mod drain;
pub mod forward_tcp;
pub mod handshake;
pub mod io;
pub mod listen;
pub mod sniff;

use std::rc::Rc;
use std::time::Duration;

use mesh_http::Version;
use mesh_traffic::listener::{Codec, Network};

use crate::conn::accept::{Accepted, adopt};
use crate::conn::drain::Drain;
use crate::conn::handshake::HandshakeError;
use crate::conn::io::{Io, Rewound};
use crate::conn::sniff::{SNIFF_TIMEOUT, SniffError, Sniffed};
use crate::http::connection::{Connection, Peer};
use crate::http::downstream_hyper as codec;
use crate::worker::Worker;

/// How long a client that cannot be asking for TLS may wait before it says anything.
const FIRST_BYTES: Duration = Duration::from_secs(3600);

/// Why a connection was closed before anything was served on it.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The socket is broken.
    #[error("the socket is broken")]
    Socket(#[source] std::io::Error),
    /// The client took too long for its first message, or for TLS.
    #[error("the client took too long for its first message")]
    TooSlow,
    /// The first message cannot be read.
    #[error(transparent)]
    Sniff(#[from] SniffError),
    /// No filter chain takes it: plaintext where mutual TLS is demanded, for example.
    #[error("no filter chain of listener {listener} takes the connection ({got})")]
    NoChain {
        /// The listener.
        listener: mesh_model::Str,
        /// What came.
        got: &'static str,
    },
    /// TLS failed.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
}

impl Refused {
    /// The reason as a label of a metric.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Socket(_) => "socket",
            Self::TooSlow => "timeout",
            Self::Sniff(SniffError::Closed) => "closed",
            Self::Sniff(SniffError::BadHello(_)) => "bad_client_hello",
            Self::Sniff(SniffError::Io(_)) => "io",
            Self::NoChain {
                got: "plaintext", ..
            } => "plaintext_refused",
            Self::NoChain { .. } => "no_filter_chain_match",
            Self::Handshake(_) => "tls",
        }
    }
}

/// Serves one connection to its end.
pub async fn serve(worker: Rc<Worker>, accepted: Accepted) {
    let client = accepted.client;
    let listener = accepted.listener.name.clone();
    match prepare(&worker, accepted).await {
        Ok(prepared) => prepared.run(worker).await,
        // Whoever connects and leaves again says nothing by it: health checks do.
        Err(Refused::Sniff(SniffError::Closed)) => {}
        Err(refused) => {
            worker.observer.connection_refused(refused.label());
            let error = report(&refused);
            tracing::debug!(%client, %listener, error, "connection refused");
        }
    }
}

fn report(refused: &Refused) -> String {
    let mut text = refused.to_string();
    let mut cause = std::error::Error::source(refused);
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

/// A connection that is ready to be served.
struct Prepared {
    connection: Connection,
    io: Io,
    http2: bool,
    drain: Drain,
}

async fn prepare(worker: &Worker, accepted: Accepted) -> Result<Prepared, Refused> {
    let sniffs = chain::needs_first_bytes(&accepted.listener);
    let Accepted {
        socket,
        client,
        local,
        listener,
        drain,
    } = accepted;
    let mut socket = adopt(socket).map_err(Refused::Socket)?;
    let (sniffed, ahead) = match sniffs {
        true => first_bytes(&mut socket, &listener).await?,
        false => (Sniffed::Plain, Vec::new()),
    };
    let facts = chain::Facts {
        client,
        local,
        listener: &listener,
    };
    let index = chain::chain(&facts, &sniffed);
    let found = index.and_then(|index| Some((index, listener.chains.get(index)?)));
    let Some((index, found)) = found else {
        let got = if matches!(sniffed, Sniffed::Tls(_)) {
            "TLS"
        } else {
            "plaintext"
        };
        return Err(Refused::NoChain {
            listener: listener.name.clone(),
            got,
        });
    };
    let rewound = Rewound::new(socket, ahead);
    let (io, http2, peer, tls) = match (&found.tls, &sniffed) {
        (Some(tls), Sniffed::Tls(_)) => {
            let shaking = handshake::handshake(&worker.server_tls, tls, rewound);
            let secured = tokio::time::timeout(SNIFF_TIMEOUT, shaking).await;
            let secured = secured.map_err(|_| Refused::TooSlow)??;
            (secured.io, secured.http2, secured.peer, true)
        }
        (Some(_), _) => {
            return Err(Refused::NoChain {
                listener: listener.name.clone(),
                got: "plaintext",
            });
        }
        (None, _) => (Io::Plain(rewound), sniffed == Sniffed::Http2, None, false),
    };
    let sni = match sniffed {
        Sniffed::Tls(hello) => hello.sni,
        Sniffed::Http2 | Sniffed::Plain => None,
    };
    let identity = worker.own_identity();
    let connection = Connection {
        chain: index,
        client,
        local,
        tls,
        sni,
        peer: peer.filter(is_named),
        own_identity: identity,
        listener,
    };
    Ok(Prepared {
        connection,
        io,
        http2,
        drain,
    })
}

fn is_named(peer: &Peer) -> bool {
    !peer.text.is_empty()
}

/// Reads what tells the protocol. Clients that may be asking for TLS must say so soon.
async fn first_bytes(
    socket: &mut tokio::net::TcpStream,
    listener: &mesh_traffic::Listener,
) -> Result<(Sniffed, Vec<u8>), Refused> {
    let any_tls = listener.chains.iter().any(|chain| chain.tls.is_some());
    let bound = listener.inspection_timeout.unwrap_or(SNIFF_TIMEOUT);
    let limit = if any_tls { bound } else { FIRST_BYTES };
    let sniffing = sniff::sniff(socket);
    Ok(tokio::time::timeout(limit, sniffing)
        .await
        .map_err(|_| Refused::TooSlow)??)
}

impl Prepared {
    async fn run(self, worker: Rc<Worker>) {
        let Self {
            connection,
            io,
            http2,
            drain,
        } = self;
        let listener = connection.listener.clone();
        match listener
            .chains
            .get(connection.chain)
            .map(|chain| &chain.network)
        {
            Some(Network::Http(manager)) => {
                let version = match (manager.codec, http2) {
                    (Codec::Http2, _) | (Codec::Auto, true) => Version::Http2,
                    (Codec::Http1, _) | (Codec::Auto, false) => Version::Http11,
                };
                let connection = Rc::new(connection);
                // hyper keeps whole connections in its futures.
                Box::pin(codec::serve(worker, connection, io, version, drain)).await;
            }
            Some(Network::Tcp(proxy)) => forward_tcp::forward(worker, proxy, io).await,
            None => {}
        }
    }
}
