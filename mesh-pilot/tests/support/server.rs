//! A pilot in this process with folders of its own, and clients as proxies would be.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mesh_identity::grpc_channel;
use mesh_model::ident::SpiffeId;
use mesh_pilot::app::{Deps, Discovery};
use mesh_pki::tls::{Expect, client_config};
use mesh_proto::Any;
use mesh_proto::any::unpack;
use mesh_proto::envoy::envoy::config::listener::v3 as listener;
use mesh_proto::envoy::envoy::config::route::v3::RouteConfiguration;
use mesh_proto::envoy::envoy::extensions::filters::network::http_connection_manager::v3 as hcm;
use mesh_proto::envoy::google::protobuf::{Struct, Value, value};
use mesh_runtime::admin::Admin;
use mesh_runtime::{SystemClock, Tasks};
use mesh_test::eventually_async;
use mesh_test::pki::Authority;
use mesh_xds::client::{Applied, Asking, Client, ConnectError, Handler, State, Update};
use mesh_xds::{Kind, Node};
use prometheus::Registry;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// How long a client waits for what must come.
const DEADLINE: Duration = Duration::from_secs(30);
/// Who pilot is.
const PILOT: &str = "spiffe://cluster.local/ns/istio-system/sa/istio-pilot-service-account";

/// A running pilot.
pub(crate) struct Pilot {
    folder: tempfile::TempDir,
    authority: Authority,
    address: SocketAddr,
    pages: Admin,
    tasks: Tasks,
}

impl Drop for Pilot {
    fn drop(&mut self) {
        self.tasks.stopping().cancel();
    }
}

impl Pilot {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dirs = ["config", "cluster"].map(|name| folder.path().join(name));
        for dir in &dirs {
            std::fs::create_dir(dir).unwrap();
        }
        let registry = Registry::new();
        let tasks = Tasks::new(&registry);
        let clock = Arc::new(SystemClock);
        let any = || TcpListener::bind("127.0.0.1:0");
        let listener = any().await.unwrap();
        let address = listener.local_addr().unwrap();
        let deps = Deps {
            discovery: listener,
            admin: any().await.unwrap(),
            webhooks: None,
            source: mesh_source::start(dirs, &tasks).unwrap(),
            clock: clock.clone(),
            tasks: tasks.clone(),
            registry,
        };
        let discovery = Discovery::start((*crate::world::mesh()).clone(), deps).unwrap();
        let authority = Authority::root("cluster.local", now());
        let live = authority.live(PILOT, clock);
        let pages = discovery.pages();
        tasks.spawn(
            "pilot",
            async move { discovery.serve(&live).await.unwrap() },
        );
        Self {
            folder,
            authority,
            address,
            pages,
            tasks,
        }
    }

    /// Puts a file in place as the supervisor does: whole.
    pub(crate) fn write(&self, folder: &str, name: &str, text: &str) {
        let folder = self.folder.path().join(folder);
        let half = folder.join(format!(".{name}.half"));
        std::fs::write(&half, text).unwrap();
        std::fs::rename(half, folder.join(format!("{name}.yaml"))).unwrap();
    }

    /// A proxy of this pod that shows this identity.
    pub(crate) fn connect(&self, pod: &str, identity: &str) -> Proxy {
        let live = self.authority.live(identity, Arc::new(SystemClock));
        let pilot = Expect::AnyOf(vec![SpiffeId::parse(PILOT).unwrap()]);
        let config = client_config(&live, pilot, &[]).unwrap();
        let address = self.address.to_string();
        let channel = move || {
            let made = grpc_channel(&address, config.clone()).map_err(ConnectError::from);
            Box::pin(std::future::ready(made)) as _
        };
        let (held, resources) = watch::channel(Held::default());
        let client = Client::start(
            Arc::new(channel),
            Asking::of(node(pod)),
            Collect { held },
            &self.tasks,
        );
        Proxy {
            resources,
            state: client.state(),
        }
    }

    /// Waits until so many proxies are connected and all hold the newest version.
    pub(crate) async fn in_force(&self, proxies: usize) {
        eventually_async("every proxy holds the newest version", async || {
            let page = self.page();
            let all = page["proxies"].as_array().unwrap();
            let synced = all.iter().filter(|proxy| proxy["synced"] == true).count();
            if all.len() == proxies && synced == proxies {
                Ok(())
            } else {
                Err(page["proxies"].to_string())
            }
        })
        .await;
    }

    /// Waits until an object was read.
    pub(crate) async fn read(&self, kind: &str, name: &str) {
        eventually_async("the object is read", async || {
            self.object(kind, name).ok_or("it is not there")
        })
        .await;
    }

    /// State and messages of an object.
    pub(crate) fn object(&self, kind: &str, name: &str) -> Option<(String, String)> {
        let page = self.page();
        let mut all = page["objects"].as_array().unwrap().iter();
        let found = all.find(|one| one["kind"] == kind && one["name"] == name)?;
        let state = found["state"].as_str().unwrap().to_owned();
        Some((state, found["messages"].to_string()))
    }

    /// How many proxies are connected.
    pub(crate) fn proxies(&self) -> usize {
        self.page()["proxies"].as_array().unwrap().len()
    }

    fn page(&self) -> serde_json::Value {
        let path = "/debug/config_status";
        let page = self
            .pages
            .answer(&"GET".parse().unwrap(), path, &BTreeMap::new());
        serde_json::from_slice(&page.body).unwrap()
    }
}

fn now() -> std::time::SystemTime {
    mesh_model::time::Clock::wall(&SystemClock)
}

/// What a proxy holds, by type and name.
type Held = BTreeMap<Kind, BTreeMap<String, Any>>;

/// A client that takes everything it is sent.
pub(crate) struct Proxy {
    resources: watch::Receiver<Held>,
    state: watch::Receiver<State>,
}

impl Proxy {
    async fn when(&self, what: &str, holds: impl FnMut(&Held) -> bool) -> Held {
        let mut resources = self.resources.clone();
        let waited = tokio::time::timeout(DEADLINE, resources.wait_for(holds)).await;
        waited
            .unwrap_or_else(|_| panic!("{what}: not in time"))
            .unwrap()
            .clone()
    }

    /// Waits for a resource.
    pub(crate) async fn holds(&self, kind: Kind, name: &str) -> Any {
        let has = |held: &Held| held.get(&kind).is_some_and(|all| all.contains_key(name));
        self.when(name, has).await[&kind][name].clone()
    }

    /// Waits until a resource is another than before.
    pub(crate) async fn holds_other(&self, kind: Kind, name: &str, before: &Any) -> Any {
        let other = |held: &Held| {
            let now = held.get(&kind).and_then(|all| all.get(name));
            now.is_some_and(|now| now != before)
        };
        self.when(name, other).await[&kind][name].clone()
    }

    /// Waits until the server refuses with these words.
    pub(crate) async fn refused(&self, words: &str) {
        let mut state = self.state.clone();
        let said = |state: &State| {
            let last = state.last_error.as_ref();
            last.is_some_and(|why| why.contains(words))
        };
        let refused = tokio::time::timeout(DEADLINE, state.wait_for(said)).await;
        let last = || self.state.borrow().clone();
        refused
            .unwrap_or_else(|_| panic!("not refused with {words:?}: {:?}", last()))
            .unwrap();
    }
}

struct Collect {
    held: watch::Sender<Held>,
}

impl Handler for Collect {
    fn apply(&mut self, update: Update) -> Applied {
        self.held.send_modify(|held| {
            let of_kind = held.entry(update.kind).or_default();
            for name in &update.removals {
                of_kind.remove(name);
            }
            let upserts = update.upserts.into_iter();
            of_kind.extend(upserts.map(|upsert| (upsert.name, upsert.any)));
        });
        let held = self.held.borrow();
        let clusters = held.get(&Kind::Cluster).into_iter().flatten();
        let outbound = clusters.filter(|(name, _)| name.starts_with("outbound|"));
        let endpoints = outbound.map(|(name, _)| name.clone()).collect();
        let listeners = held.get(&Kind::Listener).into_iter().flatten();
        let tables: BTreeSet<_> = listeners.filter_map(|(_, any)| table_of(any)).collect();
        Applied {
            rejections: Vec::new(),
            wanted: vec![(Kind::Endpoint, endpoints), (Kind::Route, tables)],
        }
    }
}

/// The route table that a listener asks for.
fn table_of(any: &Any) -> Option<String> {
    let made: listener::Listener = unpack(any).unwrap();
    let filter = made.filter_chains.first()?.filters.first()?.clone();
    let Some(listener::filter::ConfigType::TypedConfig(config)) = filter.config_type else {
        return None;
    };
    let manager: hcm::HttpConnectionManager = unpack(&config).unwrap();
    match manager.route_specifier? {
        hcm::http_connection_manager::RouteSpecifier::Rds(rds) => Some(rds.route_config_name),
        _ => None,
    }
}

/// The virtual hosts of a route table.
pub(crate) fn hosts(any: &Any) -> Vec<String> {
    let table: RouteConfiguration = unpack(any).unwrap();
    table
        .virtual_hosts
        .into_iter()
        .map(|host| host.name)
        .collect()
}

/// The node of a sidecar; what it claims to run as is what its pod runs as.
fn node(pod: &str) -> Node {
    let (name, namespace) = pod.rsplit_once('.').unwrap();
    let text = |text: &str| Value {
        kind: Some(value::Kind::StringValue(text.into())),
    };
    let fields = [("NAMESPACE", namespace), ("SERVICE_ACCOUNT", name)];
    let fields = fields.map(|(key, value)| (key.to_owned(), text(value)));
    Node {
        id: format!("sidecar~127.0.0.1~{pod}~{namespace}.svc.cluster.local"),
        metadata: Some(Struct {
            fields: fields.into(),
        }),
        ..Default::default()
    }
}

/// A pod with a service of its name, and an explicit HTTP proxy.
pub(crate) fn pod(name: &str, account: &str) -> String {
    format!(
        "apiVersion: v1
kind: Pod
metadata:
  name: {name}
  labels: {{app: {name}}}
  annotations: {{mesh/listeners: '{{\"httpProxy\": \"127.0.0.1:15002\"}}'}}
spec: {{serviceAccountName: {account}, containers: [{{name: app, image: app}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: {name}}}
spec: {{ports: [{{name: http, port: 80}}], selector: {{app: {name}}}}}
"
    )
}

/// A VirtualService of this name for this host with a time limit.
pub(crate) fn virtual_service(host: &str, timeout: &str) -> String {
    let name = Path::new(host).file_stem().unwrap().to_str().unwrap();
    format!(
        "apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: {name}}}
spec:
  hosts: [{host}]
  http: [{{timeout: {timeout}, route: [{{destination: {{host: client}}}}]}}]
"
    )
}
