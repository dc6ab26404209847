//! Tells by its first bytes what a connection speaks.
//!
//! The classifier is fed bytes and keeps them: nothing is decided on half of a ClientHello, and
//! what was read is handed on to whoever serves the connection.

mod http1;

use std::time::Duration;

use mesh_model::Str;
use rustls::server::Acceptor;

/// How long a client may take for its first message.
pub const SNIFF_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest ClientHello that is read, record headers included.
const HELLO_LIMIT: usize = 17 * 1024;
/// The connection preface of HTTP/2 (RFC 9113 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// First byte of a TLS handshake record (RFC 8446 5.1).
const TLS_HANDSHAKE: u8 = 0x16;
/// First byte of the version of every TLS record since SSL 3.
const TLS_MAJOR: u8 = 3;

/// What the first bytes say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sniffed {
    /// TLS, with what its ClientHello asks for.
    Tls(Hello),
    /// HTTP/2 with prior knowledge.
    Http2,
    /// HTTP/1; found only where [`Looking::Protocol`] asks.
    Http1,
    /// None of these, or nothing that was asked.
    Plain,
}

/// What must be known of the first bytes. No more is waited for: a client may say little.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Looking {
    /// Whether they are TLS.
    Tls,
    /// And which version of HTTP they are, where they can be nothing else.
    #[default]
    Version,
    /// And whether they are HTTP at all.
    Protocol,
}

/// What a ClientHello says of the server it wants.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hello {
    /// The name in the SNI extension, in lower case.
    pub sni: Option<Str>,
    /// Protocols by ALPN, the client's order.
    pub alpn: Vec<Vec<u8>>,
}

/// Why a connection was given up before anything was served.
#[derive(Debug, thiserror::Error)]
pub enum SniffError {
    /// The client closed.
    #[error("the client closed the connection before it had said anything whole")]
    Closed,
    /// The bytes begin like TLS and are none, or the hello is larger than the limit.
    #[error("the ClientHello cannot be read: {0}")]
    BadHello(String),
    /// Reading failed.
    #[error("reading from the client")]
    Io(#[source] std::io::Error),
}

/// The classifier: bytes in, an answer as soon as there is one.
#[derive(Default)]
pub struct Sniffer {
    seen: Vec<u8>,
    /// Large, and needed only where TLS comes.
    hello: Option<Box<Acceptor>>,
    fed: usize,
    looking: Looking,
}

impl Sniffer {
    /// A classifier that tells no more than is wanted.
    #[must_use]
    pub fn looking_for(looking: Looking) -> Self {
        Self {
            looking,
            ..Self::default()
        }
    }

    /// Everything that was read so far.
    #[must_use]
    pub fn into_seen(self) -> Vec<u8> {
        self.seen
    }

    /// Takes in more bytes.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.seen.extend_from_slice(bytes);
    }

    /// Whether nothing was read yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }

    /// Judges after more bytes were added to `seen`; `None` asks for more.
    ///
    /// # Errors
    /// [`SniffError::BadHello`].
    pub fn judge(&mut self) -> Result<Option<Sniffed>, SniffError> {
        match (self.seen.first(), self.seen.get(1)) {
            (Some(&TLS_HANDSHAKE), Some(&TLS_MAJOR)) => match self.judge_hello() {
                // Where anything may come, what only begins like TLS is something else.
                Err(SniffError::BadHello(_)) if self.looking != Looking::Version => {
                    Ok(Some(Sniffed::Plain))
                }
                judged => judged,
            },
            (None, _) | (Some(&TLS_HANDSHAKE), None) => Ok(None),
            _ => Ok(self.judge_plain()),
        }
    }

    fn judge_plain(&self) -> Option<Sniffed> {
        match self.looking {
            Looking::Tls => Some(Sniffed::Plain),
            _ if self.seen.starts_with(PREFACE) => Some(Sniffed::Http2),
            _ if PREFACE.starts_with(&self.seen) => None,
            Looking::Version => Some(Sniffed::Plain),
            Looking::Protocol => match http1::begins(&self.seen)? {
                true => Some(Sniffed::Http1),
                false => Some(Sniffed::Plain),
            },
        }
    }

    fn judge_hello(&mut self) -> Result<Option<Sniffed>, SniffError> {
        let bad = |text: &str| SniffError::BadHello(text.to_owned());
        let acceptor = self.hello.get_or_insert_default();
        let mut fresh = self.seen.get(self.fed..).unwrap_or_default();
        while !fresh.is_empty() {
            let read = acceptor
                .read_tls(&mut fresh)
                .map_err(|e| bad(&e.to_string()))?;
            if read == 0 {
                break;
            }
            if let Some(accepted) = acceptor
                .accept()
                .map_err(|(error, _)| bad(&error.to_string()))?
            {
                return Ok(Some(Sniffed::Tls(hello_of(&accepted.client_hello()))));
            }
        }
        self.fed = self.seen.len();
        if self.seen.len() > HELLO_LIMIT {
            return Err(bad("it is larger than 16 KiB"));
        }
        Ok(None)
    }
}

fn hello_of(hello: &rustls::server::ClientHello<'_>) -> Hello {
    Hello {
        sni: hello
            .server_name()
            .map(|name| name.to_ascii_lowercase().into()),
        alpn: hello
            .alpn()
            .into_iter()
            .flatten()
            .map(<[u8]>::to_vec)
            .collect(),
    }
}

#[cfg(test)]
mod tests;
