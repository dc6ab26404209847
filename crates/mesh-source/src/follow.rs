//! The tasks that carry events from sources into the store and snapshots out of it.

use std::sync::Arc;

use mesh_api::validate::references::Mesh;
use mesh_runtime::Tasks;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::snapshot::Snapshot;
use crate::store::Store;
use crate::{Event, Source, notice};

/// Batches that may wait for the store; a source that has more waits itself.
const WAITING_BATCHES: usize = 16;

/// Follows sources until `tasks` stop; an earlier source wins where two have the same object.
///
/// Until every source has told all it had at the start, the snapshot is empty and of version 0.
#[must_use]
pub fn follow(sources: Vec<Box<dyn Source>>, tasks: &Tasks) -> watch::Receiver<Arc<Snapshot>> {
    follow_in(Mesh::default(), sources, tasks)
}

/// The same in a mesh of its own domain and namespace.
#[must_use]
pub fn follow_in(
    mesh: Mesh,
    sources: Vec<Box<dyn Source>>,
    tasks: &Tasks,
) -> watch::Receiver<Arc<Snapshot>> {
    let mut merger = Merger {
        store: Store::of(mesh),
        sources: sources.len(),
        snapshots: watch::Sender::default(),
    };
    let receiver = merger.snapshots.subscribe();
    let (send, batches) = mpsc::channel(WAITING_BATCHES);
    for (number, mut source) in sources.into_iter().enumerate() {
        merger.store.apply(number, source.first());
        let stopping = tasks.stopping().clone();
        tasks.spawn("source", feed(number, source, send.clone(), stopping));
    }
    merger.publish();
    tasks.spawn("store", merger.run(batches, tasks.stopping().clone()));
    receiver
}

async fn feed(
    number: usize,
    mut source: Box<dyn Source>,
    send: mpsc::Sender<(usize, Vec<Event>)>,
    stopping: CancellationToken,
) {
    let forward = async {
        while let Some(events) = source.next().await {
            if send.send((number, events)).await.is_err() {
                return;
            }
        }
    };
    stopping.run_until_cancelled(forward).await;
}

struct Merger {
    store: Store,
    sources: usize,
    snapshots: watch::Sender<Arc<Snapshot>>,
}

impl Merger {
    async fn run(
        mut self,
        mut batches: mpsc::Receiver<(usize, Vec<Event>)>,
        stopping: CancellationToken,
    ) {
        while let Some(Some((source, events))) = stopping.run_until_cancelled(batches.recv()).await
        {
            self.store.apply(source, events);
            // What is there already belongs to the same change as far as anybody can tell.
            while let Ok((source, events)) = batches.try_recv() {
                self.store.apply(source, events);
            }
            self.publish();
        }
    }

    fn publish(&mut self) {
        if self.store.synced_sources() < self.sources {
            return;
        }
        let new = Arc::new(self.store.snapshot());
        let old = self.snapshots.send_replace(new.clone());
        notice::emit(&old, &new);
    }
}

#[cfg(test)]
mod tests;
