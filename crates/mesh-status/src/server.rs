//! The sockets, and who is let in: plain text, off loopback, one request per connection.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use mesh_runtime::{Tasks, net};
use prometheus::Registry;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;

use crate::pages::{At, Pages, Port, Subject};
use crate::settings::StatusSettings;

/// How long a client may take to send its request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a client may take to hear its answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// Connections at once at each port; more wait in the listen queue.
const CONNECTIONS: usize = 64;
/// What may wait there.
const BACKLOG: u32 = 128;
/// The longest head of a request.
const BUFFER: usize = 16 * 1024;

/// The sockets of the ports that were asked for.
#[derive(Debug, Default)]
pub struct Sockets {
    /// Of the status port.
    pub status: Option<TcpListener>,
    /// Of the port of readiness.
    pub health: Option<TcpListener>,
    /// Of the port of the proxy's metrics.
    pub metrics: Option<TcpListener>,
}

/// A port that cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("--{flag}: cannot listen on port {port}: {source}")]
pub struct BindError {
    flag: &'static str,
    port: u16,
    source: io::Error,
}

impl Sockets {
    /// Opens them at every address of the pod.
    ///
    /// # Errors
    /// [`BindError`] with the flag whose port cannot be had.
    pub fn open(settings: &StatusSettings) -> Result<Self, BindError> {
        let ports = &settings.ports;
        Ok(Self {
            status: open("status-port", ports.status_port)?,
            health: open("envoy-status-port", ports.envoy_status_port)?,
            metrics: open("envoy-prometheus-port", ports.envoy_prometheus_port)?,
        })
    }
}

fn open(flag: &'static str, port: u16) -> Result<Option<TcpListener>, BindError> {
    if port == 0 {
        return Ok(None);
    }
    let opened = everywhere(port).map_err(|source| BindError { flag, port, source })?;
    Ok(Some(opened))
}

/// The socket of IPv6 takes both; without IPv6 there is that of IPv4.
fn everywhere(port: u16) -> io::Result<TcpListener> {
    match listen((Ipv6Addr::UNSPECIFIED, port).into()) {
        Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
            listen((Ipv4Addr::UNSPECIFIED, port).into())
        }
        opened => opened,
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Answers at the sockets until the tasks are asked to stop.
pub fn serve(
    sockets: Sockets,
    settings: StatusSettings,
    subject: Subject,
    registry: &Registry,
    tasks: &Tasks,
) {
    // Hooks take long.
    let longest = settings.probers.slowest() + ANSWER_TIMEOUT;
    let pages = Arc::new(Pages::new(subject, settings, registry));
    let Sockets {
        status,
        health,
        metrics,
    } = sockets;
    let ports = [
        (status, Port::Status, longest),
        (health, Port::Health, ANSWER_TIMEOUT),
        (metrics, Port::Metrics, ANSWER_TIMEOUT),
    ];
    for (socket, port, longest) in ports {
        if let Some(socket) = socket {
            let server = Server {
                pages: pages.clone(),
                port,
                longest,
                tasks: tasks.clone(),
            };
            tasks.spawn("status", server.accept(socket));
        }
    }
}

/// One port.
struct Server {
    pages: Arc<Pages>,
    port: Port,
    /// How long a connection may take as a whole.
    longest: Duration,
    tasks: Tasks,
}

impl Server {
    async fn accept(self, socket: TcpListener) {
        let room = Arc::new(Semaphore::new(CONNECTIONS));
        let stopping = self.tasks.stopping().clone();
        loop {
            let next = async {
                let permit = room.clone().acquire_owned().await;
                (permit, net::accept(&socket, "status").await)
            };
            let Some((Ok(permit), (stream, peer))) = stopping.run_until_cancelled(next).await
            else {
                return;
            };
            let connection = self.connection(stream, peer);
            let stopping = stopping.clone();
            self.tasks.spawn("status connection", async move {
                // However it ends, it is over.
                let _ended = stopping.run_until_cancelled(connection).await;
                drop(permit);
            });
        }
    }

    fn connection(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
    ) -> impl Future<Output = ()> + Send + use<> {
        let at = At {
            port: self.port,
            number: stream.local_addr().map_or(0, |local| local.port()),
            peer: peer.ip(),
        };
        let (pages, longest) = (self.pages.clone(), self.longest);
        async move {
            let service = service_fn(move |request| {
                let pages = pages.clone();
                async move { Ok::<_, Infallible>(pages.answer(at, request).await) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIMEOUT)
                .keep_alive(false)
                .max_buf_size(BUFFER)
                .serve_connection(TokioIo::new(stream), service);
            match tokio::time::timeout(longest, connection).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(%error, "status connection ended"),
                Err(_) => tracing::debug!("status connection took too long"),
            }
        }
    }
}

#[cfg(test)]
mod tests;
