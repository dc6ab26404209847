//! gRPC channels over our own TLS, because tonic's cannot check SPIFFE IDs.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use http::uri::Authority;
use hyper_util::rt::TokioIo;
use mesh_pki::tls::ALPN_H2;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::{Channel, Endpoint};

/// How long connecting and the handshake may take together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Silence after which a connection with open calls is probed.
const PROBE_AFTER: Duration = Duration::from_secs(30);
/// How long the answer to a probe may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);

/// An address that cannot be dialled.
#[derive(Debug, thiserror::Error)]
#[error("{address:?} is no HOST:PORT")]
pub struct BadAddress {
    address: String,
}

/// A channel to `address` (`HOST:PORT`) that dials at its first call and again after a loss.
///
/// Who the server must be is `config`'s business ([`mesh_pki::tls::client_config`]); its ALPN is
/// set to HTTP/2. An IP address sends no SNI.
///
/// # Errors
/// When the address has no port or no valid host.
pub fn grpc_channel(address: &str, config: ClientConfig) -> Result<Channel, BadAddress> {
    grpc_channel_to(address, None, config)
}

/// The same to a server that is asked for by this name (SNI), where that is not the host of its address.
///
/// # Errors
/// When the address has no port or no valid host, or the name is none.
pub fn grpc_channel_to(
    address: &str,
    name: Option<&str>,
    config: ClientConfig,
) -> Result<Channel, BadAddress> {
    let dial = Dial::new(address, name, config)?;
    let endpoint = Endpoint::from(dial.uri.clone())
        .http2_keep_alive_interval(PROBE_AFTER)
        .keep_alive_timeout(PROBE_TIMEOUT);
    let connect = tower::service_fn(move |_: Uri| dial.clone().connect());
    Ok(endpoint.connect_with_connector_lazy(connect))
}

#[derive(Clone)]
struct Dial {
    uri: Uri,
    address: Arc<str>,
    name: ServerName<'static>,
    tls: TlsConnector,
}

impl Dial {
    fn new(
        address: &str,
        name: Option<&str>,
        mut config: ClientConfig,
    ) -> Result<Self, BadAddress> {
        let bad = || BadAddress {
            address: address.to_owned(),
        };
        let authority: Authority = address.parse().map_err(|_| bad())?;
        if authority.port_u16().is_none() {
            return Err(bad());
        }
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        let name = name.map_or(host, str::to_owned);
        let name = ServerName::try_from(name).map_err(|_| bad())?;
        let uri = Uri::builder()
            .scheme("http")
            .authority(authority)
            .path_and_query("/")
            .build()
            .map_err(|_| bad())?;
        config.alpn_protocols = vec![ALPN_H2.to_vec()];
        Ok(Self {
            uri,
            address: address.into(),
            name,
            tls: TlsConnector::from(Arc::new(config)),
        })
    }

    async fn connect(self) -> io::Result<TokioIo<TlsStream<TcpStream>>> {
        let connect = async {
            let stream = TcpStream::connect(&*self.address).await?;
            stream.set_nodelay(true)?;
            self.tls.connect(self.name, stream).await
        };
        match tokio::time::timeout(CONNECT_TIMEOUT, connect).await {
            Ok(connected) => connected.map(TokioIo::new),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

/// A failed call with the causes behind it: tonic's own text for a refused handshake is only
/// "transport error".
#[must_use]
pub fn describe(status: &tonic::Status) -> String {
    let mut text = format!("{}: {}", status.code(), status.message());
    let mut cause = std::error::Error::source(status);
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests;
