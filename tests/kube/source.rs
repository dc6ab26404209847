//! A cluster as the source of configuration, against the real API server: thousands of objects, a
//! crash of it, and in the end the same as files give.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use mesh_api::resources::Resource;
use mesh_api::{ObjectMeta, ResourceSet};
use mesh_kube::{KubeSource, Scope};
use mesh_model::name::ResourceKey;
use mesh_runtime::Tasks;
use mesh_source::file::FileSource;
use mesh_source::store::Store;
use mesh_source::{Event, Source};
use mesh_test::eventually;
use prometheus::Registry;
use serde_json::{Value, json};
use std::sync::Arc;
use tempfile::TempDir;

use crate::cluster::Cluster;

/// The namespace of everything here.
const HERE: &str = "mirror";
/// Services, each with five endpoints.
const SERVICES: usize = 1000;
/// How long a change may take to be seen.
const DEADLINE: Duration = Duration::from_secs(60);

#[test]
fn a_cluster_says_what_files_say_also_after_its_api_server_was_killed() {
    let cluster = Cluster::up();
    let crds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts/mesh-init/templates");
    let crds = crds.join("networking.istio.io.yaml");
    cluster.kubectl(&["apply", "-f", crds.to_str().unwrap()]);
    cluster.defined();
    cluster.namespace(HERE);
    let folder = TempDir::new().unwrap();
    let mut objects: Vec<Value> = (0..SERVICES).flat_map(|i| pair(&cluster, i)).collect();
    objects.extend(special());
    objects.push(rule(&["v1"]));
    create(&cluster, folder.path(), &objects);

    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut mirror = runtime.block_on(Mirror::start(&cluster));
    let wanted = of_files(&objects);
    runtime.block_on(mirror.until(&wanted));
    assert_eq!(mirror.deleted, [], "nothing is told as gone that is there");

    cluster.stop("apiserver");
    runtime.block_on(mirror.broken());
    assert_eq!(mirror.seen(), wanted, "what was known stays");
    cluster.start("apiserver");
    eventually("the API server", || {
        let asked = cluster.run("kubectl", &["get", "--raw", "/readyz"]);
        asked.status.success().then_some(()).ok_or(asked)
    });

    // One goes, one comes, one changes.
    let gone = ["service/s0000", "endpointslice/s0000", "-n", HERE];
    cluster.kubectl(&[&["delete"], &gone[..]].concat());
    objects.retain(|object| object["metadata"]["name"] != "s0000");
    let new: Vec<Value> = pair(&cluster, SERVICES).collect();
    create(&cluster, folder.path(), &new);
    objects.extend(new);
    objects.retain(|object| object["kind"] != "DestinationRule");
    objects.push(rule(&["v1", "v2"]));
    cluster.apply(&rule(&["v1", "v2"]));
    runtime.block_on(mirror.until(&of_files(&objects)));
    let deleted: Vec<String> = mirror.deleted.iter().map(ToString::to_string).collect();
    let both = [
        format!("endpointslice {HERE}/s0000"),
        format!("service {HERE}/s0000"),
    ];
    assert_eq!(sorted(deleted), both, "and nothing else was told as gone");
}

/// A Service and its EndpointSlice; what the API server fills in is written out, so that files say
/// the same.
fn pair(cluster: &Cluster, number: usize) -> impl Iterator<Item = Value> + use<> {
    let network = 96 + cluster.id().parse::<usize>().unwrap();
    let address = format!("10.{network}.{}.{}", 16 + number / 200, 1 + number % 200);
    let name = format!("s{number:04}");
    let ports = json!([{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}]);
    let service = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": HERE, "labels": {"app": name}},
        "spec": {"type": "ClusterIP", "clusterIP": address, "clusterIPs": [address], "ports": ports},
    });
    // All that an endpoint can be: ready, unready, about to end.
    let endpoint = |index: usize| {
        let (ready, serving, ending) = match index {
            3 => (false, true, true),
            4 => (false, false, false),
            _ => (true, true, false),
        };
        json!({
            "addresses": [format!("10.{}.{}.{}", 20 + index, number / 250, 1 + number % 250)],
            "conditions": {"ready": ready, "serving": serving, "terminating": ending},
            "zone": "z",
        })
    };
    let endpoints: Vec<Value> = (0..5).map(endpoint).collect();
    [service, slice(&name, "IPv4", &json!(endpoints))].into_iter()
}

fn slice(service: &str, family: &str, endpoints: &Value) -> Value {
    let suffix = if family == "IPv6" { "-6" } else { "" };
    json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": format!("{service}{suffix}"), "namespace": HERE,
            "labels": {"kubernetes.io/service-name": service,
                "endpointslice.kubernetes.io/managed-by": "mesh-tests"}},
        "addressType": family,
        "endpoints": endpoints,
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
    })
}

/// A headless Service of both IP versions, and one that stands for a name.
fn special() -> Vec<Value> {
    let ready = json!({"ready": true, "serving": true, "terminating": false});
    let at = |address: &str| json!([{"addresses": [address], "conditions": ready}]);
    let ports = json!([{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}]);
    let headless = json!({"type": "ClusterIP", "clusterIP": "None", "clusterIPs": ["None"],
        "publishNotReadyAddresses": true, "ports": ports});
    let external = json!({"type": "ExternalName", "externalName": "example.com"});
    let service = |name: &str, spec: &Value| {
        json!({"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": name, "namespace": HERE}, "spec": spec})
    };
    vec![
        service("headless", &headless),
        service("external", &external),
        slice("headless", "IPv4", &at("10.30.0.1")),
        slice("headless", "IPv6", &at("fd00::1")),
    ]
}

fn rule(subsets: &[&str]) -> Value {
    let subset = |name: &&str| json!({"name": name, "labels": {"version": name}});
    let subsets: Vec<Value> = subsets.iter().map(subset).collect();
    json!({
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": {"name": "rule", "namespace": HERE},
        "spec": {"host": "s0001", "subsets": subsets},
    })
}

/// Creates objects by several kubectls, each of which limits itself.
#[track_caller]
fn create(cluster: &Cluster, folder: &Path, objects: &[Value]) {
    std::thread::scope(|scope| {
        for (number, part) in objects.chunks(objects.len().div_ceil(4)).enumerate() {
            let file = folder.join(format!("part{number}.json"));
            let list = json!({"apiVersion": "v1", "kind": "List", "items": part});
            std::fs::write(&file, list.to_string()).unwrap();
            scope.spawn(move || {
                cluster.kubectl(&["create", "-f", file.to_str().unwrap()]);
            });
        }
    });
}

/// What files with these objects say.
fn of_files(objects: &[Value]) -> Vec<String> {
    let folder = TempDir::new().unwrap();
    let mut text = String::new();
    for object in objects {
        writeln!(text, "---\n{object}").unwrap();
    }
    std::fs::write(folder.path().join("all.yaml"), text).unwrap();
    let mut files = FileSource::open([folder.path().to_owned()]).unwrap();
    let mut store = Store::default();
    store.apply(0, files.first());
    shown(&store.snapshot().resources)
}

/// What a cluster says, put together.
struct Mirror {
    source: KubeSource,
    store: Store,
    deleted: Vec<ResourceKey>,
    _tasks: Tasks,
}

impl Mirror {
    async fn start(cluster: &Cluster) -> Self {
        let config = cluster.folder().join("admin.conf");
        let access = mesh_kube::Cluster::from_kubeconfig(&config).await.unwrap();
        let tasks = Tasks::new(&Registry::new());
        let mut mirror = Self {
            source: KubeSource::start(&access, &Scope::default(), &tasks),
            store: Store::default(),
            deleted: Vec::new(),
            _tasks: tasks,
        };
        mirror.hear("synced", |event| *event == Event::Synced).await;
        mirror
    }

    /// Listens until an event is heard.
    async fn hear(&mut self, what: &str, wanted: impl Fn(&Event) -> bool) {
        loop {
            let next = tokio::time::timeout(DEADLINE, self.source.next()).await;
            let events = next.expect(what).expect("the source goes on");
            let heard = events.iter().any(&wanted);
            self.deleted
                .extend(events.iter().filter_map(|event| match event {
                    Event::Delete(key) if key.namespace.as_str() == HERE => Some(key.clone()),
                    _ => None,
                }));
            self.store.apply(0, events);
            if heard {
                return;
            }
        }
    }

    /// Listens until it says that the API server is away.
    async fn broken(&mut self) {
        self.hear("the outage", |event| matches!(event, Event::Broken { .. }))
            .await;
    }

    /// Listens until it says what is wanted.
    async fn until(&mut self, wanted: &[String]) {
        while self.seen() != wanted {
            self.hear("a change", |_| true).await;
        }
    }

    fn seen(&mut self) -> Vec<String> {
        shown(&self.store.snapshot().resources)
    }
}

/// The objects of [`HERE`] as text, without what only a server says of them.
fn shown(set: &ResourceSet) -> Vec<String> {
    let mut lines = Vec::new();
    for one in &set.services {
        lines.extend(line(one));
    }
    for one in &set.endpoint_slices {
        lines.extend(line(one));
    }
    for one in &set.destination_rules {
        lines.extend(line(one));
    }
    sorted(lines)
}

fn line<T: std::fmt::Debug>(one: &Arc<Resource<T>>) -> Option<String> {
    let ObjectMeta {
        labels,
        annotations,
        namespace,
        ..
    } = &one.meta;
    let line = format!("{} {labels:?} {annotations:?} {:?}", one.key, one.spec);
    (namespace.as_str() == HERE).then_some(line)
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}
