//! How a connection learns that it is to end.

use tokio_util::sync::CancellationToken;

/// The two steps of a drain.
///
/// A client that is about to send on an idle connection would meet a closed socket; so connections
/// of HTTP/1 stay open until `due`, and whoever asks for something learns with the answer, in good
/// order, that the connection ends.
#[derive(Debug, Clone)]
pub struct Drain {
    /// Cancelled when connections are to finish.
    pub begun: CancellationToken,
    /// Cancelled when idle ones are to be closed.
    pub due: CancellationToken,
}
