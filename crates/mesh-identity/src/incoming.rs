//! TLS connections for tonic's servers, with the peer's identity beside each call.
//!
//! Handshakes run beside one another, each with a deadline and all with a bound, so that a client
//! that connects and says nothing delays nobody.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use mesh_model::ident::SpiffeId;
use mesh_pki::tls::peer_spiffe_id;
use mesh_runtime::{Tasks, net};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::Connected;

/// How long a handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Handshakes at once; further connections wait in the listen queue.
const HANDSHAKES: usize = 256;
/// Finished connections that wait for the server to take them; more wait in their tasks.
const READY: usize = 16;

/// Who is at the other end of a call: an extension of every request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerInfo {
    /// Its address.
    pub remote: SocketAddr,
    /// Its identity, proved by a validated certificate; none if it showed none.
    pub identity: Option<SpiffeId>,
}

/// An accepted connection whose handshake is done.
#[derive(Debug)]
pub struct TlsConnection {
    stream: TlsStream<TcpStream>,
    peer: PeerInfo,
}

impl TlsConnection {
    /// Who is at the other end.
    #[must_use]
    pub fn peer(&self) -> &PeerInfo {
        &self.peer
    }
}

/// Accepts connections until `tasks` are asked to stop; for `serve_with_incoming` of tonic.
///
/// The stream ends with the tasks. A failed handshake is logged at debug level and yields nothing.
pub fn tls_incoming(
    listener: TcpListener,
    config: Arc<ServerConfig>,
    tasks: &Tasks,
) -> ReceiverStream<io::Result<TlsConnection>> {
    let (ready, connections) = mpsc::channel(READY);
    let accept = Accept {
        acceptor: TlsAcceptor::from(config),
        ready,
        room: Arc::new(Semaphore::new(HANDSHAKES)),
        tasks: tasks.clone(),
    };
    let stopping = tasks.stopping().clone();
    tasks.spawn("tls accept", async move {
        stopping.run_until_cancelled(accept.run(listener)).await;
    });
    ReceiverStream::new(connections)
}

struct Accept {
    acceptor: TlsAcceptor,
    ready: mpsc::Sender<io::Result<TlsConnection>>,
    room: Arc<Semaphore>,
    tasks: Tasks,
}

impl Accept {
    async fn run(self, listener: TcpListener) {
        loop {
            let Ok(permit) = self.room.clone().acquire_owned().await else {
                return;
            };
            let (stream, remote) = net::accept(&listener, "tls").await;
            let (acceptor, ready) = (self.acceptor.clone(), self.ready.clone());
            let stopping = self.tasks.stopping().clone();
            self.tasks.spawn("tls handshake", async move {
                let handshake = handshake(acceptor, stream, remote);
                if let Some(Some(connection)) = stopping.run_until_cancelled(handshake).await {
                    drop(permit);
                    // Nobody listens any more when the server has ended.
                    let _unserved = ready.send(Ok(connection)).await;
                }
            });
        }
    }
}

async fn handshake(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    remote: SocketAddr,
) -> Option<TlsConnection> {
    let accept = async {
        stream.set_nodelay(true)?;
        acceptor.accept(stream).await
    };
    let stream = match tokio::time::timeout(HANDSHAKE_TIMEOUT, accept).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            tracing::debug!(peer = %remote, %error, "handshake refused");
            return None;
        }
        Err(_) => {
            tracing::debug!(peer = %remote, "handshake took too long");
            return None;
        }
    };
    let shown = stream.get_ref().1.peer_certificates();
    let identity = shown.and_then(|chain| peer_spiffe_id(chain).ok());
    let peer = PeerInfo { remote, identity };
    Some(TlsConnection { stream, peer })
}

impl Connected for TlsConnection {
    type ConnectInfo = PeerInfo;

    fn connect_info(&self) -> PeerInfo {
        self.peer.clone()
    }
}

impl AsyncRead for TlsConnection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for TlsConnection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests;
