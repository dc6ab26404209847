//! A mesh with applications that a test names, shared by the tests that run at the same time.

use std::net::SocketAddr;
use std::sync::{Arc, Weak};

use mesh_tests::{Mesh, Metrics, Setup};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tempfile::TempDir;

/// An application behind a sidecar.
#[derive(Debug, Clone)]
pub(crate) struct App {
    /// Name of its Service, Deployment and label `app`.
    pub(crate) name: &'static str,
    /// Ports of the service and the container: name and number.
    pub(crate) ports: &'static [(&'static str, u16)],
    /// The program and its arguments, with meshctl's `${...}` names.
    pub(crate) command: Vec<String>,
    /// Its environment, with the same names.
    pub(crate) env: Vec<(&'static str, String)>,
}

impl App {
    /// A workload that only calls others.
    pub(crate) fn caller() -> Self {
        Self {
            name: "caller",
            ports: &[],
            command: ["sleep", "infinity"].map(str::to_owned).to_vec(),
            env: Vec::new(),
        }
    }

    fn manifests(&self) -> Vec<Value> {
        let name = self.name;
        let labels = json!({"app": name, "version": "v1"});
        let ports = |number: &str| -> Vec<Value> {
            let port = |(name, port): &(&str, u16)| json!({"name": name, number: port});
            self.ports.iter().map(port).collect()
        };
        let pod = json!({"containers":
            [{"name": name, "image": name, "ports": ports("containerPort")}]});
        let mut manifests = vec![json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
            "spec": {"replicas": 1, "selector": {"matchLabels": labels},
                     "template": {"metadata": {"labels": labels}, "spec": pod}},
        })];
        if !self.ports.is_empty() {
            manifests.push(json!({
                "apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
                "spec": {"selector": {"app": name}, "ports": ports("port")},
            }));
        }
        manifests
    }

    fn image(&self) -> Value {
        let (program, args) = self.command.split_first().expect("a program");
        let env: serde_json::Map<_, _> = self
            .env
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json!(value)))
            .collect();
        json!({"match": format!("{}:*", self.name), "command": [program], "args": args, "env": env})
    }
}

/// The mesh and where its ends are.
pub(crate) struct World {
    /// The mesh.
    pub(crate) mesh: Mesh,
    _folder: TempDir,
}

impl World {
    /// Starts a mesh of these applications and a caller, with more objects beside them.
    #[track_caller]
    pub(crate) fn up(apps: &[App], objects: &[Value]) -> Self {
        let folder = TempDir::new().expect("a folder for the applications");
        let apps: Vec<App> = apps.iter().cloned().chain([App::caller()]).collect();
        let manifests = apps.iter().flat_map(App::manifests);
        let all: Vec<String> = manifests
            .chain(objects.iter().cloned())
            .map(|object| object.to_string())
            .collect();
        let images: Vec<Value> = apps.iter().map(App::image).collect();
        let local = json!({
            "apiVersion": "mesh/v1", "kind": "LocalApplication", "metadata": {"name": "conformance"},
            "spec": {"resources": ["all.yaml"], "images": images},
        });
        // JSON is YAML, and needs no quoting of its own.
        std::fs::write(folder.path().join("all.yaml"), all.join("\n---\n")).expect("written");
        std::fs::write(folder.path().join("local.yaml"), local.to_string()).expect("written");
        let mesh = Setup::default().source(folder.path()).up();
        Self {
            mesh,
            _folder: folder,
        }
    }

    /// Where the caller's sidecar listens for a service.
    #[track_caller]
    pub(crate) fn outbound(&self, service: &str, port: u16) -> SocketAddr {
        self.mesh.outbound("caller-0", service, port)
    }

    /// Where an application's sidecar takes what is meant for it.
    #[track_caller]
    pub(crate) fn inbound(&self, app: &str, port: u16) -> SocketAddr {
        self.mesh.inbound(&format!("{app}-0"), port)
    }

    /// Where the ingress gateway listens.
    #[track_caller]
    pub(crate) fn gateway(&self) -> SocketAddr {
        self.mesh.gateway()
    }

    /// Requests to a service that a sidecar has counted, by labels.
    pub(crate) async fn counted(&self, app: &str, labels: &[(&str, &str)]) -> u64 {
        let admin = self.mesh.status().workload(app).admin.clone();
        let metrics = Metrics::scrape(&format!("{admin}/stats/prometheus")).await;
        metrics.sum("istio_requests_total", labels)
    }
}

/// A world that lives as long as a test uses it.
pub(crate) struct Shared {
    world: Mutex<Weak<World>>,
    make: fn() -> World,
}

impl Shared {
    pub(crate) const fn new(make: fn() -> World) -> Self {
        Self {
            world: Mutex::new(Weak::new()),
            make,
        }
    }

    /// The world that is there, or a new one.
    #[track_caller]
    pub(crate) fn get(&self) -> Arc<World> {
        let mut shared = self.world.lock();
        if let Some(world) = shared.upgrade() {
            return world;
        }
        let world = Arc::new((self.make)());
        *shared = Arc::downgrade(&world);
        world
    }
}
