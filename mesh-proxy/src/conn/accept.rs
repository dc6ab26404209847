//! A connection as it came from a listening socket, on its way to a worker.

use std::net::SocketAddr;
use std::sync::Arc;

use mesh_traffic::Listener;

use crate::conn::drain::Drain;
use crate::conn::redirect::Redirected;
use crate::worker::overload::bounds::Admission;

/// An accepted connection.
pub struct Accepted {
    /// The socket, not yet known to a worker's runtime.
    pub socket: std::net::TcpStream,
    /// The client's address.
    pub client: SocketAddr,
    /// The address that the client connected to.
    pub local: SocketAddr,
    /// The listener that took it, as it was at that moment.
    pub listener: Arc<Listener>,
    /// When it is to end.
    pub drain: Drain,
    /// What is known of its destination where connections are redirected to that listener.
    pub redirected: Option<Redirected>,
    /// Its place among the connections that there may be.
    pub admission: Admission,
}

/// Makes an accepted socket one of a worker's.
///
/// # Errors
/// When the socket is broken already.
pub(crate) fn adopt(socket: std::net::TcpStream) -> std::io::Result<mio::net::TcpStream> {
    socket.set_nonblocking(true)?;
    socket.set_nodelay(true)?;
    Ok(mio::net::TcpStream::from_std(socket))
}
