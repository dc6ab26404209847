//! Connections that stop speaking HTTP: after 101 their bytes are passed on as they are.
//!
//! Only HTTP/1 carries an upgrade here, on both sides; CONNECT is refused by name.

use std::future::Future;
use std::io;
use std::pin::Pin;

use mesh_http::{Fields, RequestHead};
use tokio::io::{AsyncRead, AsyncWrite};

/// The bytes of a connection that left HTTP.
pub trait RawStream: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> RawStream for T {}

/// The bytes of a connection, as soon as its codec lets go of them.
pub type Raw = Pin<Box<dyn Future<Output = io::Result<Box<dyn RawStream>>>>>;

/// The protocol that a client asks to change to, in lower case.
#[must_use]
pub fn wanted(head: &RequestHead) -> Option<String> {
    let upgrade = head.fields.get_str("upgrade")?;
    has_token(&head.fields, "connection", "upgrade").then(|| upgrade.trim().to_ascii_lowercase())
}

/// Whether a list header has a token, without regard to case.
#[must_use]
pub fn has_token(fields: &Fields, name: &str, token: &str) -> bool {
    fields.get_all(name).any(|value| {
        value
            .split(|byte| *byte == b',')
            .any(|item| item.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
    })
}

/// Passes bytes between two connections until both ends are closed.
pub async fn pass(client: Raw, upstream: Raw) {
    let streams = async { Ok::<_, io::Error>((client.await?, upstream.await?)) };
    let ended = match streams.await {
        Ok((mut a, mut b)) => tokio::io::copy_bidirectional(&mut a, &mut b).await,
        Err(error) => Err(error),
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "upgraded connection ended");
    }
}
