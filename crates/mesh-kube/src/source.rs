//! A cluster as a source of the events that files give.

use mesh_runtime::Tasks;
use mesh_source::{Event, NextEvents, Source};
use tokio::sync::mpsc;

use crate::access::Cluster;
use crate::board::{Board, Report};
use crate::follower::Follower;
use crate::watched::{self, Scope};

/// Reports that may wait; a follower that has more waits itself, and so does the API server.
const WAITING: usize = 64;

/// Follows a cluster. Nothing is known before the API server has answered.
pub struct KubeSource {
    reports: mpsc::Receiver<Report>,
    board: Board,
    waiting: Vec<Report>,
}

impl KubeSource {
    /// Starts the tasks that ask; they run until `tasks` stop or the source is dropped.
    #[must_use]
    pub fn start(cluster: &Cluster, scope: &Scope, tasks: &Tasks) -> Self {
        let watched = watched::all(scope);
        let (send, reports) = mpsc::channel(WAITING);
        for (number, watched) in watched.iter().enumerate() {
            let server = cluster.server.clone();
            let follower = Follower::new(number, watched.clone(), server, send.clone());
            let stopping = tasks.stopping().clone();
            tasks.spawn("kube-follower", async move {
                stopping.run_until_cancelled(follower.run()).await;
            });
        }
        Self {
            reports,
            board: Board::new(cluster.address.clone(), watched),
            waiting: Vec::with_capacity(WAITING),
        }
    }

    async fn events(&mut self) -> Option<Vec<Event>> {
        loop {
            // Cancelled while it waits, it has taken nothing.
            if self.reports.recv_many(&mut self.waiting, WAITING).await == 0 {
                return None;
            }
            let mut events = Vec::new();
            for report in self.waiting.drain(..) {
                self.board.on(report, &mut events);
            }
            if !events.is_empty() {
                return Some(events);
            }
        }
    }
}

impl Source for KubeSource {
    fn first(&mut self) -> Vec<Event> {
        Vec::new()
    }

    fn next(&mut self) -> NextEvents<'_> {
        Box::pin(self.events())
    }
}
