//! A small HTTP client for admin pages, on loopback and over connections that others opened.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// The longest page that is read.
const LONGEST_PAGE: usize = 64 << 20;

/// Asks for a page; answers with the status and the body.
///
/// # Errors
/// When nobody answers within `patience`.
pub(crate) async fn fetch(
    address: SocketAddr,
    path: &str,
    patience: Duration,
) -> std::io::Result<(u16, Bytes)> {
    tokio::time::timeout(patience, exchange(address, path))
        .await
        .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
}

async fn exchange(address: SocketAddr, path: &str) -> std::io::Result<(u16, Bytes)> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    exchange_over(stream, &address.to_string(), path).await
}

/// Asks for a page over a connection; answers with the status and the body. Waits as long as it takes.
///
/// # Errors
/// When the other end does not speak HTTP, or breaks off.
pub(crate) async fn exchange_over(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    host: &str,
    path: &str,
) -> std::io::Result<(u16, Bytes)> {
    let (mut client, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(std::io::Error::other)?;
    let request = Request::get(path).header("host", host);
    let request = request
        .body(Empty::<Bytes>::new())
        .map_err(std::io::Error::other)?;
    let page = async {
        let response = client
            .send_request(request)
            .await
            .map_err(std::io::Error::other)?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), LONGEST_PAGE);
        let body = body
            .collect()
            .await
            .map_err(std::io::Error::other)?
            .to_bytes();
        Ok((status, body))
    };
    // The connection is driven beside the request, in this task: it ends with it. Where the server
    // closes it first, the rest of the page is in memory already, or the page is an error.
    tokio::pin!(page);
    tokio::select! {
        page = &mut page => page,
        _ = connection => page.await,
    }
}
