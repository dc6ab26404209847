//! The path of a connection: listen -> accept -> redirect -> sniff -> handshake -> chain -> http | forward_tcp,
//! driven by the worker's loop.

pub mod accept;
pub mod chain;
pub(crate) mod closing;
pub mod drain;
pub(crate) mod forward_tcp;
pub mod handshake;
pub mod listen;
pub(crate) mod opening;
pub mod redirect;
pub mod sniff;
pub(crate) mod tunnel;
pub(crate) mod wire;

use crate::conn::handshake::HandshakeError;
use crate::conn::sniff::SniffError;

/// Why a connection was closed before anything was served on it.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The socket is broken.
    #[error("the socket is broken")]
    Socket(#[source] std::io::Error),
    /// It is for a port of the proxy to which connections are redirected, and was not.
    #[error(
        "listener {listener} takes redirected connections alone, and this one is for the proxy"
    )]
    OwnPort {
        /// The listener.
        listener: mesh_model::Str,
    },
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
    /// It is one too many for its filter chain.
    #[error("listener {listener} has had as many connections as its limit lets pass")]
    TooMany {
        /// The listener.
        listener: mesh_model::Str,
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
            Self::OwnPort { .. } => "own_port",
            Self::TooSlow => "timeout",
            Self::Sniff(SniffError::Closed) => "closed",
            Self::Sniff(SniffError::BadHello(_)) => "bad_client_hello",
            Self::Sniff(SniffError::Io(_)) => "io",
            Self::NoChain {
                got: "plaintext", ..
            } => "plaintext_refused",
            Self::NoChain { .. } => "no_filter_chain_match",
            Self::TooMany { .. } => "rate_limited",
            Self::Handshake(_) => "tls",
        }
    }

    /// What happened, with all its causes, on one line.
    #[must_use]
    pub fn report(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(inner) = cause {
            text.push_str(": ");
            text.push_str(&inner.to_string());
            cause = inner.source();
        }
        text
    }
}
