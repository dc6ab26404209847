//! The way to an endpoint that is probed: a socket, and TLS as its cluster has it.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use mesh_model::Str;
use mesh_traffic::cluster::Transport;
use parking_lot::Mutex;
use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;

use crate::http::failure::Failure;
use crate::upstream::tls::{Carries, TlsConfigs, server_name};

/// A connection, with or without TLS.
pub(super) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// How an endpoint is reached.
pub(super) struct Way<'a> {
    /// Where.
    pub(super) at: SocketAddr,
    /// Our own address, where that is not the kernel's choice.
    pub(super) source: Option<IpAddr>,
    pub(super) transport: &'a Transport,
    /// Protocols that are offered instead of the usual ones, if any.
    pub(super) alpn: &'a [Str],
    /// How long connecting may take.
    pub(super) within: Duration,
}

impl Way<'_> {
    /// Opens a connection.
    ///
    /// # Errors
    /// When there is none in time, or the other side is not who it is to be.
    pub(super) async fn open(
        &self,
        configs: &Mutex<TlsConfigs>,
        carries: Carries,
    ) -> io::Result<Box<dyn Io>> {
        tokio::time::timeout(self.within, self.opened(configs, carries)).await?
    }

    async fn opened(
        &self,
        configs: &Mutex<TlsConfigs>,
        carries: Carries,
    ) -> io::Result<Box<dyn Io>> {
        let socket = self.connect().await?;
        socket.set_nodelay(true)?;
        let Transport::Tls(tls) = self.transport else {
            return Ok(Box::new(socket));
        };
        let config = configs.lock().config(tls, carries).map_err(failed)?;
        let name = server_name(tls.sni.as_ref(), self.at).map_err(failed)?;
        let connector = TlsConnector::from(self.with_alpn(config));
        Ok(Box::new(connector.connect(name, socket).await?))
    }

    async fn connect(&self) -> io::Result<TcpStream> {
        let socket = match self.at {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        if let Some(source) = self.source {
            socket.bind(SocketAddr::new(source, 0))?;
        }
        socket.connect(self.at).await
    }

    fn with_alpn(&self, config: Arc<ClientConfig>) -> Arc<ClientConfig> {
        if self.alpn.is_empty() {
            return config;
        }
        let mut own = ClientConfig::clone(&config);
        own.alpn_protocols = self
            .alpn
            .iter()
            .map(|name| name.as_bytes().to_vec())
            .collect();
        Arc::new(own)
    }
}

fn failed(failure: Failure) -> io::Error {
    io::Error::other(format!("{:?} {}", failure.kind, failure.reason()))
}
