//! Server and client over real sockets.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use mesh_model::ident::SpiffeId;
use mesh_proto::Any;
use mesh_proto::envoy::envoy::config::cluster::v3::Cluster;
use mesh_runtime::SystemClock;
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Endpoint, Server};

use super::*;
use crate::client::{Applied, Rejection};
use crate::server::{Admission, ClientKey, ClientStatus, Hub};
use crate::{Kind, Resource, Resources};

const DEADLINE: Duration = Duration::from_secs(20);

/// Admits everybody under the node's id and remembers who came and went.
#[derive(Default)]
struct Door {
    events: Mutex<Vec<String>>,
}

impl Admission for Door {
    fn admit(&self, node: &Node, _peer: Option<&SpiffeId>) -> Result<ClientKey, Status> {
        if node.id == "stranger" {
            return Err(Status::permission_denied("not you"));
        }
        Ok(node.id.clone())
    }

    fn connected(&self, key: &ClientKey, _node: &Node) {
        self.events.lock().push(format!("+{key}"));
    }

    fn gone(&self, key: &ClientKey) {
        self.events.lock().push(format!("-{key}"));
    }
}

struct Serving {
    hub: Hub,
    door: Arc<Door>,
    address: SocketAddr,
    tasks: Tasks,
}

async fn serve(address: &str) -> Serving {
    let tasks = Tasks::new(&prometheus::Registry::new());
    let door = Arc::new(Door::default());
    let hub = Hub::new(door.clone(), tasks.clone(), Arc::new(SystemClock), |_| None);
    let listener = TcpListener::bind(address).await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = hub.service();
    let stopping = tasks.stopping().clone();
    tasks.spawn("server", async move {
        Server::builder()
            .add_service(service)
            .serve_with_incoming_shutdown(TcpListenerStream::new(listener), stopping.cancelled())
            .await
            .unwrap();
    });
    Serving {
        hub,
        door,
        address,
        tasks,
    }
}

type Held = BTreeMap<(Kind, String), Vec<u8>>;

/// Keeps what it is given; asks for the endpoints of every cluster; refuses content `bad`.
#[derive(Clone, Default)]
struct Keeper {
    held: Arc<Mutex<Held>>,
    given: Arc<Mutex<Vec<String>>>,
}

impl Handler for Keeper {
    fn apply(&mut self, update: Update) -> Applied {
        let mut applied = Applied::default();
        let mut held = self.held.lock();
        for upsert in update.upserts {
            self.given
                .lock()
                .push(format!("{:?} {}", update.kind, upsert.name));
            if upsert.any.value == b"bad" {
                applied.rejections.push(Rejection {
                    resource: upsert.name,
                    field: "value".into(),
                    why: "is bad".into(),
                });
                continue;
            }
            held.insert((update.kind, upsert.name), upsert.any.value);
        }
        for name in update.removals {
            held.remove(&(update.kind, name));
        }
        let clusters: BTreeSet<String> = held
            .keys()
            .filter(|(kind, _)| *kind == Kind::Cluster)
            .map(|(_, name)| name.clone())
            .collect();
        // What is no longer subscribed to is not told of any more.
        held.retain(|(kind, name), _| *kind != Kind::Endpoint || clusters.contains(name));
        applied.wanted = vec![(Kind::Endpoint, clusters)];
        applied
    }
}

impl Keeper {
    fn held(&self) -> Vec<String> {
        let text = |((kind, name), value): (&(Kind, String), &Vec<u8>)| {
            format!("{kind:?} {name}={}", String::from_utf8_lossy(value))
        };
        self.held.lock().iter().map(text).collect()
    }
}

fn start(address: SocketAddr, id: &str, keeper: &Keeper) -> (Client, Tasks) {
    start_by(Variant::Delta, address, id, keeper)
}

fn start_by(variant: Variant, address: SocketAddr, id: &str, keeper: &Keeper) -> (Client, Tasks) {
    let tasks = Tasks::new(&prometheus::Registry::new());
    let channel: ChannelMaker = Arc::new(move || {
        Box::pin(async move {
            let endpoint = Endpoint::from_shared(format!("http://{address}"))?;
            Ok(endpoint.connect().await?)
        })
    });
    let node = Node {
        id: id.to_owned(),
        ..Node::default()
    };
    let asking = Asking {
        variant,
        ..Asking::of(node)
    };
    (
        Client::start(channel, asking, keeper.clone(), &tasks),
        tasks,
    )
}

fn resources(version: u64, content: &[(Kind, &str, &str)]) -> Arc<Resources> {
    let mut resources = Resources {
        version,
        ..Resources::default()
    };
    for (kind, name, value) in content {
        let any = Any {
            type_url: kind.type_url().to_owned(),
            value: (*value).into(),
        };
        let of_type = resources.by_type.entry(kind.type_url()).or_default();
        of_type.insert((*name).to_owned(), Resource::new(any));
    }
    Arc::new(resources)
}

/// Waits until the server's view of the one client is as wanted.
async fn until(hub: &Hub, wanted: impl Fn(&ClientStatus) -> bool) -> ClientStatus {
    let mut changes = hub.changes();
    let found = async {
        loop {
            if let Some(status) = hub.status().into_iter().find(|status| wanted(status)) {
                return status;
            }
            changes.changed().await.unwrap();
        }
    };
    let found = tokio::time::timeout(DEADLINE, found).await;
    found.unwrap_or_else(|_| panic!("the server sees {:#?}", hub.status()))
}

async fn until_state(client: &Client, wanted: impl Fn(&State) -> bool) -> State {
    let mut state = client.state();
    let found = tokio::time::timeout(DEADLINE, state.wait_for(|state| wanted(state))).await;
    found.unwrap().unwrap().clone()
}

fn acked(version: u64) -> impl Fn(&ClientStatus) -> bool {
    move |status| status.acked_version == Some(version)
}

#[tokio::test]
async fn what_is_published_reaches_the_client_and_is_acknowledged() {
    let server = serve("127.0.0.1:0").await;
    let keeper = Keeper::default();
    let (_client, tasks) = start(server.address, "a", &keeper);
    until(&server.hub, |_| true).await;
    let key = "a".to_owned();
    let first = [
        (Kind::Cluster, "c", "1"),
        (Kind::Endpoint, "c", "1"),
        (Kind::Listener, "l", "1"),
    ];
    assert!(server.hub.publish(&key, resources(1, &first)));
    until(&server.hub, acked(1)).await;
    assert_eq!(
        keeper.held(),
        ["Cluster c=1", "Endpoint c=1", "Listener l=1"]
    );

    let second = [(Kind::Cluster, "d", "1"), (Kind::Endpoint, "d", "1")];
    server.hub.publish(&key, resources(2, &second));
    until(&server.hub, acked(2)).await;
    assert_eq!(keeper.held(), ["Cluster d=1", "Endpoint d=1"]);

    assert!(tasks.stop(DEADLINE).await);
    let mut changes = server.hub.changes();
    while !server.hub.status().is_empty() {
        changes.changed().await.unwrap();
    }
    assert_eq!(*server.door.events.lock(), ["+a", "-a"]);
    assert!(!server.hub.publish(&key, resources(3, &second)));
    assert!(server.tasks.stop(DEADLINE).await);
}

/// Resources that carry their name, as those of Envoy do; the content of a cluster is its other name.
fn named(version: u64, content: &[(Kind, &str, &str)]) -> Arc<Resources> {
    let mut resources = Resources {
        version,
        ..Resources::default()
    };
    for (kind, name, other) in content {
        let named = Cluster {
            name: (*name).to_owned(),
            alt_stat_name: (*other).to_owned(),
            ..Cluster::default()
        };
        let any = Any {
            type_url: kind.type_url().to_owned(),
            value: prost::Message::encode_to_vec(&named),
        };
        let of_type = resources.by_type.entry(kind.type_url()).or_default();
        of_type.insert((*name).to_owned(), Resource::new(any));
    }
    Arc::new(resources)
}

#[tokio::test]
async fn the_whole_state_each_time_comes_to_the_same() {
    let server = serve("127.0.0.1:0").await;
    let keeper = Keeper::default();
    let (_client, tasks) = start_by(Variant::StateOfTheWorld, server.address, "a", &keeper);
    until(&server.hub, |_| true).await;
    let key = "a".to_owned();
    let names = || keeper.held.lock().keys().cloned().collect::<Vec<_>>();
    let of = |kind: Kind, name: &str| (kind, name.to_owned());
    let first = [
        (Kind::Cluster, "c", "1"),
        (Kind::Cluster, "d", "1"),
        (Kind::Endpoint, "c", "1"),
        (Kind::Endpoint, "d", "1"),
        (Kind::Listener, "l", "1"),
    ];
    server.hub.publish(&key, named(1, &first));
    until(&server.hub, acked(1)).await;
    let all = first.map(|(kind, name, _)| of(kind, name));
    assert_eq!(names(), all);
    keeper.given.lock().clear();

    // One changes, one goes, one comes: nobody hears again of what stays.
    let second = [
        (Kind::Cluster, "c", "2"),
        (Kind::Cluster, "e", "1"),
        (Kind::Endpoint, "c", "1"),
        (Kind::Endpoint, "e", "1"),
        (Kind::Listener, "l", "1"),
    ];
    server.hub.publish(&key, named(2, &second));
    until(&server.hub, acked(2)).await;
    let all = second.map(|(kind, name, _)| of(kind, name));
    assert_eq!(names(), all);
    let given = keeper.given.lock().clone();
    assert_eq!(given, ["Cluster c", "Cluster e", "Endpoint e"]);

    assert!(tasks.stop(DEADLINE).await);
    assert!(server.tasks.stop(DEADLINE).await);
}

#[tokio::test]
async fn a_refusal_names_the_resource_and_keeps_the_last_good_one() {
    let server = serve("127.0.0.1:0").await;
    let keeper = Keeper::default();
    let (client, _tasks) = start(server.address, "a", &keeper);
    until(&server.hub, |_| true).await;
    let key = "a".to_owned();
    let publish = |version, c, d| {
        let content = [(Kind::Cluster, "c", c), (Kind::Cluster, "d", d)];
        server.hub.publish(&key, resources(version, &content));
    };
    publish(1, "1", "1");
    until(&server.hub, acked(1)).await;
    publish(2, "bad", "2");
    let status = until(&server.hub, |status| {
        status
            .types
            .values()
            .any(|of_type| of_type.last_error.is_some())
    })
    .await;
    let clusters = &status.types[Kind::Cluster.type_url()];
    assert_eq!(clusters.last_error.as_deref(), Some("c: value: is bad"));
    assert_eq!(clusters.rejected, ["c"]);
    assert_eq!(status.acked_version, Some(1));
    assert_eq!(keeper.held(), ["Cluster c=1", "Cluster d=2"]);
    until_state(&client, |state| state.refused == 1).await;
    publish(3, "3", "2");
    until(&server.hub, acked(3)).await;
    assert_eq!(keeper.held(), ["Cluster c=3", "Cluster d=2"]);
}

#[tokio::test]
async fn after_a_restart_of_the_server_only_differences_travel() {
    let server = serve("127.0.0.1:0").await;
    let address = server.address;
    let keeper = Keeper::default();
    let (client, _tasks) = start(address, "a", &keeper);
    until(&server.hub, |_| true).await;
    let key = "a".to_owned();
    let content = [(Kind::Cluster, "c", "1"), (Kind::Cluster, "d", "1")];
    server.hub.publish(&key, resources(1, &content));
    until(&server.hub, acked(1)).await;
    assert!(server.tasks.stop(DEADLINE).await);
    until_state(&client, |state| !state.connected).await;
    assert_eq!(keeper.held(), ["Cluster c=1", "Cluster d=1"]);
    keeper.given.lock().clear();

    let server = serve(&address.to_string()).await;
    until(&server.hub, |_| true).await;
    let content = [(Kind::Cluster, "c", "1"), (Kind::Cluster, "e", "1")];
    server.hub.publish(&key, resources(5, &content));
    until(&server.hub, acked(5)).await;
    assert_eq!(*keeper.given.lock(), ["Cluster e"]);
    assert_eq!(keeper.held(), ["Cluster c=1", "Cluster e=1"]);
}

#[tokio::test]
async fn a_client_that_is_turned_away_says_why_and_tries_again() {
    let server = serve("127.0.0.1:0").await;
    let (client, _tasks) = start(server.address, "stranger", &Keeper::default());
    let state = until_state(&client, |state| state.streams >= 2).await;
    assert_eq!(
        state.last_error.as_deref().map(|e| e.contains("not you")),
        Some(true)
    );
    assert_eq!(server.hub.status(), []);
}

#[tokio::test]
async fn a_client_whose_identity_ends_is_cut_off_and_admitted_anew() {
    let server = serve("127.0.0.1:0").await;
    let (client, _tasks) = start(server.address, "a", &Keeper::default());
    until(&server.hub, |_| true).await;
    server.hub.disconnect(&"a".to_owned());
    until_state(&client, |state| state.streams == 2 && state.connected).await;
    let mut changes = server.hub.changes();
    while server.door.events.lock().len() < 3 {
        tokio::time::timeout(DEADLINE, changes.changed())
            .await
            .unwrap()
            .unwrap();
    }
    assert_eq!(*server.door.events.lock(), ["+a", "-a", "+a"]);
}
