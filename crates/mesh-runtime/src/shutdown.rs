//! Signals that end a process.

use tokio::signal::unix::{SignalKind, signal};

/// Waits for SIGTERM or SIGINT and says which came.
///
/// # Errors
/// When the handlers cannot be installed.
pub async fn requested() -> std::io::Result<&'static str> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    })
}
