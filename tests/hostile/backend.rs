//! The strict recording back end behind every proxy that is judged.
//!
//! It reads by the letter, writes down what came by the name of the case, and answers as the case
//! says. What it cannot read unambiguously it refuses and writes down too.

mod one;
mod record;
mod two;

use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinSet;

pub(crate) use record::{Received, Recorder, SCHEME, SECRETS, Seen};

/// Serves a listener whose clients speak HTTP/1.
pub(crate) fn serve_one(listener: TcpListener, recorder: &Arc<Recorder>, tasks: &mut JoinSet<()>) {
    let recorder = Arc::clone(recorder);
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            connections.spawn(one::serve(stream, Arc::clone(&recorder)));
        }
    });
}

/// Serves a listener whose clients speak HTTP/2 with prior knowledge.
pub(crate) fn serve_two(listener: TcpListener, recorder: &Arc<Recorder>, tasks: &mut JoinSet<()>) {
    let recorder = Arc::clone(recorder);
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            connections.spawn(two::serve(stream, Arc::clone(&recorder)));
        }
    });
}
