use mesh_api::decode;
use prometheus::Registry;

use super::*;
use crate::NextEvents;

/// A source that a test speaks for.
struct Puppet {
    first: Vec<Event>,
    next: mpsc::Receiver<Vec<Event>>,
}

impl Source for Puppet {
    fn first(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.first)
    }

    fn next(&mut self) -> NextEvents<'_> {
        Box::pin(self.next.recv())
    }
}

fn mk_puppet(first: Vec<Event>) -> (mpsc::Sender<Vec<Event>>, Box<dyn Source>) {
    let (send, next) = mpsc::channel(1);
    (send, Box::new(Puppet { first, next }))
}

fn upsert(text: &str) -> Event {
    let (mut objects, found) = decode::objects("puppet", text);
    assert_eq!(found, []);
    Event::Upsert(Arc::new(objects.remove(0)))
}

const NAMESPACE: &str = "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}";

#[tokio::test]
async fn nothing_is_published_before_every_source_is_complete() {
    let tasks = Tasks::new(&Registry::new());
    let (_quick, first) = mk_puppet(vec![upsert(NAMESPACE), Event::Synced]);
    let (slow, second) = mk_puppet(vec![]);
    let mut snapshots = follow(vec![first, second], &tasks);
    assert_eq!(**snapshots.borrow_and_update(), Snapshot::default());
    slow.send(vec![Event::Synced]).await.unwrap();
    snapshots.changed().await.unwrap();
    let snapshot = snapshots.borrow_and_update().clone();
    assert_eq!(
        (snapshot.version, snapshot.resources.namespaces.len()),
        (1, 1)
    );
}

#[tokio::test]
async fn following_ends_with_its_tasks() {
    let tasks = Tasks::new(&Registry::new());
    let (_send, source) = mk_puppet(vec![Event::Synced]);
    let mut snapshots = follow(vec![source], &tasks);
    snapshots.borrow_and_update();
    assert!(tasks.stop(std::time::Duration::from_secs(10)).await);
    assert!(snapshots.changed().await.is_err());
}
