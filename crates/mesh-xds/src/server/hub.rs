//! What is published for whom, and who is connected.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mesh_model::ident::SpiffeId;
use mesh_model::time::Clock;
use mesh_proto::envoy::envoy::service::discovery::v3::aggregated_discovery_service_server::AggregatedDiscoveryServiceServer;
use mesh_runtime::Tasks;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::server::{Ads, ClientStatus};
use crate::{Node, Resources};

/// Names a client: what admission made of its node and its identity.
pub type ClientKey = String;

/// Finds the identity that a connection proved, among the extensions of a request.
pub type PeerOf = fn(&tonic::Extensions) -> Option<SpiffeId>;

/// Decides who may connect, and hears who did.
///
/// The calls about one key come in order: `connected` once for each stream, `gone` when the last
/// stream of the key has ended. They must not block; they may publish.
pub trait Admission: Send + Sync {
    /// Lets a client in under a key, or says why not.
    ///
    /// # Errors
    /// The status that ends the stream.
    fn admit(&self, node: &Node, peer: Option<&SpiffeId>) -> Result<ClientKey, tonic::Status>;

    /// A stream of this client has begun; [`Hub::publish`] for the key works from now on.
    fn connected(&self, key: &ClientKey, node: &Node);

    /// The last stream of this client has ended, and what was published for it is forgotten.
    fn gone(&self, key: &ClientKey);
}

/// Where snapshots are published, and streams take them from. Clones share everything.
#[derive(Clone)]
pub struct Hub(Arc<Inner>);

struct Inner {
    admission: Arc<dyn Admission>,
    tasks: Tasks,
    clock: Arc<dyn Clock>,
    peer_of: PeerOf,
    clients: Mutex<BTreeMap<ClientKey, Client>>,
    /// Held while admission hears of a key, so that `gone` never overtakes `connected`.
    membership: Mutex<()>,
    streams: Mutex<BTreeMap<u64, ClientStatus>>,
    next_stream: AtomicU64,
    changes: watch::Sender<u64>,
}

struct Client {
    streams: usize,
    snapshot: watch::Sender<Option<Arc<Resources>>>,
    ended: CancellationToken,
}

/// What a stream holds of the hub while it lives.
pub(super) struct Membership {
    pub(super) stream: u64,
    pub(super) snapshot: watch::Receiver<Option<Arc<Resources>>>,
    pub(super) ended: CancellationToken,
}

impl Hub {
    /// A hub without clients.
    #[must_use]
    pub fn new(
        admission: Arc<dyn Admission>,
        tasks: Tasks,
        clock: Arc<dyn Clock>,
        peer_of: PeerOf,
    ) -> Self {
        Self(Arc::new(Inner {
            admission,
            tasks,
            clock,
            peer_of,
            clients: Mutex::default(),
            membership: Mutex::default(),
            streams: Mutex::default(),
            next_stream: AtomicU64::new(1),
            changes: watch::channel(0).0,
        }))
    }

    /// Makes `resources` what the client shall have. Says whether there is such a client: nothing
    /// is kept for one that is not connected.
    pub fn publish(&self, key: &ClientKey, resources: Arc<Resources>) -> bool {
        let clients = self.0.clients.lock();
        let Some(client) = clients.get(key) else {
            return false;
        };
        client.snapshot.send_replace(Some(resources));
        true
    }

    /// Ends the streams of a client, for example when its identity is no longer good.
    pub fn disconnect(&self, key: &ClientKey) {
        if let Some(client) = self.0.clients.lock().get(key) {
            client.ended.cancel();
        }
    }

    /// What every stream was sent, has acknowledged, and has refused.
    #[must_use]
    pub fn status(&self) -> Vec<ClientStatus> {
        self.0.streams.lock().values().cloned().collect()
    }

    /// Changes whenever [`Hub::status`] does.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    /// The gRPC service.
    #[must_use]
    pub fn service(&self) -> AggregatedDiscoveryServiceServer<Ads> {
        AggregatedDiscoveryServiceServer::new(Ads::new(self.clone()))
    }

    pub(super) fn admission(&self) -> &dyn Admission {
        &*self.0.admission
    }

    pub(super) fn tasks(&self) -> &Tasks {
        &self.0.tasks
    }

    pub(super) fn peer(&self, extensions: &tonic::Extensions) -> Option<SpiffeId> {
        (self.0.peer_of)(extensions)
    }

    pub(super) fn join(&self, key: &ClientKey, node: &Node) -> Membership {
        let in_order = self.0.membership.lock();
        let stream = self.0.next_stream.fetch_add(1, Ordering::Relaxed);
        let membership = {
            let mut clients = self.0.clients.lock();
            let client = clients.entry(key.clone()).or_insert_with(|| Client {
                streams: 0,
                snapshot: watch::channel(None).0,
                ended: self.0.tasks.stopping().child_token(),
            });
            if client.ended.is_cancelled() {
                // Those streams are on their way out; this one was admitted after they were ended.
                client.ended = self.0.tasks.stopping().child_token();
            }
            client.streams += 1;
            let mut snapshot = client.snapshot.subscribe();
            snapshot.mark_changed(); // what is published already is news to this stream
            Membership {
                stream,
                snapshot,
                ended: client.ended.clone(),
            }
        };
        self.report(
            stream,
            ClientStatus {
                key: key.clone(),
                node: node.id.clone(),
                connected_at: self.0.clock.wall(),
                types: BTreeMap::new(),
                published_version: None,
                acked_version: None,
            },
        );
        self.0.admission.connected(key, node);
        drop(in_order);
        membership
    }

    pub(super) fn leave(&self, key: &ClientKey, stream: u64) {
        let in_order = self.0.membership.lock();
        self.0.streams.lock().remove(&stream);
        let last = {
            let mut clients = self.0.clients.lock();
            let left = clients.get_mut(key).map(|client| {
                client.streams -= 1;
                client.streams
            });
            if left == Some(0) {
                clients.remove(key);
            }
            left == Some(0)
        };
        if last {
            self.0.admission.gone(key);
        }
        drop(in_order);
        self.changed();
    }

    /// Puts a stream's status in place and says so, if it is another than before.
    pub(super) fn update(&self, stream: u64, change: impl FnOnce(&mut ClientStatus)) {
        let changed = {
            let mut streams = self.0.streams.lock();
            let Some(status) = streams.get_mut(&stream) else {
                return;
            };
            let before = status.clone();
            change(status);
            *status != before
        };
        if changed {
            self.changed();
        }
    }

    fn report(&self, stream: u64, status: ClientStatus) {
        self.0.streams.lock().insert(stream, status);
        self.changed();
    }

    fn changed(&self) {
        self.0
            .changes
            .send_modify(|count| *count = count.wrapping_add(1));
    }
}
