//! Accepting connections.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

/// Pause after an accept that failed (out of file descriptors, most likely): trying again at once
/// would only make the machine busier.
const PAUSE: Duration = Duration::from_millis(50);

/// The next connection, however long it takes. Nothing is lost when it is cancelled.
///
/// `what` is accepted, in the words of the log.
pub async fn accept(listener: &TcpListener, what: &'static str) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) => {
                tracing::warn!(what, %error, "connection not accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
