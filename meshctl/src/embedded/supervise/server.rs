//! The supervisor's end of the control socket.

use std::sync::Arc;

use mesh_runtime::Tasks;
use parking_lot::Mutex;
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

use super::crew::Crew;
use crate::embedded::control::{self, Answer, Verb};
use crate::embedded::plan::Plan;

/// What an answer is made from.
pub(super) struct Server {
    pub(super) plan: Arc<Plan>,
    pub(super) crew: Arc<Crew>,
    /// Is cancelled when somebody asks for the end.
    pub(super) ending: CancellationToken,
    /// Those who wait for the end: they are let go when this is dropped.
    pub(super) waiting: Arc<Mutex<Vec<UnixStream>>>,
}

impl Server {
    /// Answers until the tasks are asked to stop.
    pub(super) async fn serve(self, listener: UnixListener, tasks: Tasks) {
        let server = Arc::new(self);
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = tasks.stopping().cancelled() => return,
            };
            // Accepting fails only for want of descriptors; the caller sees the end of the stream.
            let Ok((stream, _)) = accepted else {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                continue;
            };
            let (server, stopping) = (server.clone(), tasks.stopping().clone());
            tasks.spawn("control", async move {
                tokio::select! {
                    () = server.connection(stream) => {}
                    () = stopping.cancelled() => {}
                }
            });
        }
    }

    async fn connection(&self, mut stream: UnixStream) {
        let answer = match control::receive(&mut stream).await {
            Ok(Verb::Down) => {
                control::reply(&mut stream, Answer::Done(Vec::new())).await;
                self.waiting.lock().push(stream);
                self.ending.cancel();
                return;
            }
            Ok(Verb::Status) => Answer::Status(self.crew.board.status(&self.plan)),
            Ok(Verb::Stop(target)) => self
                .crew
                .stop(&target)
                .await
                .map_or_else(Into::into, Answer::Done),
            Ok(Verb::Start(target)) => self
                .crew
                .start(&target)
                .await
                .map_or_else(Into::into, Answer::Done),
            Ok(Verb::Begin(target)) => self
                .crew
                .begin(&target)
                .map_or_else(Into::into, Answer::Done),
            Err(error) => error.into(),
        };
        control::reply(&mut stream, answer).await;
    }
}
