//! A cluster as a source of the events that files give.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::time::Duration;

use mesh_api::kinds;
use mesh_model::name::ResourceKey;
use mesh_runtime::Tasks;
use mesh_source::{Event, NextEvents, Source};
use tokio::sync::mpsc;
use tokio::time::Sleep;
use tokio_util::sync::CancellationToken;

use crate::access::Cluster;
use crate::board::{Board, Report};
use crate::credentials::{Credentials, SecretName};
use crate::follower::Follower;
use crate::server::Server;
use crate::watched::{self, Scope, Watched};

/// Reports that may wait; a follower that has more waits itself, and so does the API server.
const WAITING: usize = 64;
/// How long a Gateway is held back that names Secrets which are not read yet. Told without them it
/// would have its clients refused, and its proxies lose what they have when pilot was restarted.
const PATIENCE: Duration = Duration::from_secs(5);

/// Follows a cluster. Nothing is known before the API server has answered.
pub struct KubeSource {
    reports: mpsc::Receiver<Report>,
    board: Board,
    waiting: Vec<Report>,
    hands: Hands,
    credentials: Credentials,
    secrets: BTreeMap<SecretName, Followed>,
    /// What is held back, and how long it may still be.
    held: Vec<Event>,
    patience: Option<Pin<Box<Sleep>>>,
}

/// What starts followers.
struct Hands {
    server: Server,
    board: mpsc::Sender<Report>,
    tasks: Tasks,
}

/// A Secret that is followed.
struct Followed {
    number: usize,
    enough: CancellationToken,
}

impl Hands {
    fn follow(&self, number: usize, watched: Watched) -> CancellationToken {
        let follower = Follower::new(number, watched, self.server.clone(), self.board.clone());
        let enough = self.tasks.stopping().child_token();
        let until = enough.clone();
        self.tasks.spawn("kube-follower", async move {
            until.run_until_cancelled(follower.run()).await;
        });
        enough
    }
}

impl KubeSource {
    /// Starts the tasks that ask; they run until `tasks` stop or the source is dropped.
    #[must_use]
    pub fn start(cluster: &Cluster, scope: &Scope, tasks: &Tasks) -> Self {
        let watched = watched::all(scope);
        let (send, reports) = mpsc::channel(WAITING);
        let hands = Hands {
            server: cluster.server.clone(),
            board: send,
            tasks: tasks.clone(),
        };
        for (number, watched) in watched.iter().enumerate() {
            hands.follow(number, watched.clone());
        }
        Self {
            reports,
            board: Board::new(cluster.address.clone(), watched),
            waiting: Vec::with_capacity(WAITING),
            hands,
            credentials: Credentials::default(),
            secrets: BTreeMap::new(),
            held: Vec::new(),
            patience: None,
        }
    }

    async fn events(&mut self) -> Option<Vec<Event>> {
        loop {
            // Cancelled while it waits, it has taken nothing.
            let heard = match &mut self.patience {
                None => self.reports.recv_many(&mut self.waiting, WAITING).await,
                Some(patience) => tokio::select! {
                    heard = self.reports.recv_many(&mut self.waiting, WAITING) => heard,
                    () = patience => {
                        self.patience = None;
                        for followed in self.secrets.values() {
                            self.board.wait_no_more(followed.number);
                        }
                        return Some(std::mem::take(&mut self.held));
                    }
                },
            };
            if heard == 0 {
                return None;
            }
            let before = self.held.len();
            for report in self.waiting.drain(..) {
                self.board.on(report, &mut self.held);
            }
            self.look_for_secrets(before);
            if self.is_held() {
                self.patience
                    .get_or_insert_with(|| Box::pin(tokio::time::sleep(PATIENCE)));
            } else if !self.held.is_empty() {
                self.patience = None;
                return Some(std::mem::take(&mut self.held));
            }
        }
    }

    fn is_held(&self) -> bool {
        let numbers = self.secrets.values().map(|followed| followed.number);
        !self.held.is_empty() && !self.board.are_settled(numbers)
    }

    /// Follows the Secrets that are asked for because of what was heard, and no others.
    fn look_for_secrets(&mut self, before: usize) {
        let mut changed = false;
        for event in self.held.iter().skip(before) {
            changed |= self.credentials.on(event);
        }
        if !changed {
            return;
        }
        let wanted = self.credentials.wanted();
        let (board, events) = (&mut self.board, &mut self.held);
        self.secrets.retain(|name, followed| {
            let keep = wanted.contains(name);
            if !keep {
                followed.enough.cancel();
                board.drop(followed.number, events);
                events.push(Event::Delete(key_of(name)));
            }
            keep
        });
        for name in wanted {
            if self.secrets.contains_key(&name) {
                continue;
            }
            let (namespace, secret) = &name;
            if let Some(watched) = Watched::secret(namespace, secret) {
                let number = self.board.add(watched.clone());
                let enough = self.hands.follow(number, watched);
                self.secrets.insert(name, Followed { number, enough });
            }
        }
    }
}

fn key_of((namespace, name): &SecretName) -> ResourceKey {
    let kind = kinds::find("", "Secret").map_or("", |kind| kind.kind);
    ResourceKey {
        group: "".into(),
        kind: kind.into(),
        namespace: namespace.clone(),
        name: name.clone(),
    }
}

impl Drop for KubeSource {
    fn drop(&mut self) {
        for followed in self.secrets.values() {
            followed.enough.cancel();
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
