//! mesh-proxy and Envoy, started from one bootstrap file.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};

use mesh_test::eventually_async;
use mesh_tests::mesh::binary;
use mesh_tests::tools;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;

use super::backend::{Backend, CLUSTERS};
use super::generate::Table;

const TYPES: &str = "type.googleapis.com/envoy.extensions";

/// A running proxy; dropping it ends it.
pub(super) struct Peer {
    name: &'static str,
    listeners: Vec<SocketAddr>,
    process: Child,
    folder: TempDir,
}

impl Peer {
    fn start(
        name: &'static str,
        command: &mut Command,
        tables: &[Table],
        backend: &Backend,
        own: Ipv4Addr,
    ) -> Self {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("bootstrap.json");
        let listeners = free_ports(own, tables.len());
        let text = bootstrap(tables, &listeners, backend);
        std::fs::write(&file, serde_json::to_string_pretty(&text).unwrap()).unwrap();
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let process = command
            .arg(file)
            .args(["--concurrency", "1"])
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        Self {
            name,
            listeners,
            process,
            folder,
        }
    }

    /// Waits until it takes connections.
    pub(super) async fn wait(&mut self) {
        let log = self.folder.path().join("log");
        let said = || std::fs::read_to_string(&log).unwrap_or_default();
        let process = Mutex::new(&mut self.process);
        for address in &self.listeners {
            eventually_async("the proxy listens", || async {
                let ended = process.lock().try_wait().unwrap();
                assert_eq!(ended, None, "{}: {}", self.name, said());
                let open = TcpStream::connect(address).await.map(drop);
                open.map_err(|error| format!("{}: {error}\n{}", self.name, said()))
            })
            .await;
        }
    }

    /// Where it listens for a table.
    pub(super) fn listener(&self, table: usize) -> SocketAddr {
        self.listeners[table]
    }

    /// Ends it, which must still be there.
    #[track_caller]
    pub(super) fn end(mut self) {
        let ended = self.process.try_wait().unwrap();
        assert_eq!(ended, None, "{} has ended", self.name);
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// Ports that are free now, at an address that nobody else here takes ports of.
fn free_ports(own: Ipv4Addr, count: usize) -> Vec<SocketAddr> {
    let bound: Vec<_> = (0..count)
        .map(|_| TcpListener::bind((own, 0)).unwrap())
        .collect();
    let addresses = bound.iter().map(|listener| listener.local_addr().unwrap());
    addresses.collect()
}

/// mesh-proxy.
pub(super) fn mesh(tables: &[Table], backend: &Backend) -> Peer {
    let mut command = Command::new(binary("mesh-proxy"));
    command.args(["bootstrap", "--config-path"]);
    Peer::start(
        "mesh-proxy",
        &mut command,
        tables,
        backend,
        Ipv4Addr::new(127, 83, 0, 1),
    )
}

/// Envoy; what it would do on its own account is switched off.
pub(super) fn envoy(tables: &[Table], backend: &Backend) -> Peer {
    let mut command = Command::new(tools::envoy());
    command.args(["-l", "error", "--disable-hot-restart", "--config-path"]);
    Peer::start(
        "Envoy",
        &mut command,
        tables,
        backend,
        Ipv4Addr::new(127, 83, 0, 2),
    )
}

fn place(address: SocketAddr) -> Value {
    let (ip, port) = (address.ip().to_string(), address.port());
    json!({ "socket_address": { "address": ip, "port_value": port } })
}

/// The file, which differs in ports alone.
fn bootstrap(tables: &[Table], listeners: &[SocketAddr], backend: &Backend) -> Value {
    let listeners = tables.iter().zip(listeners).enumerate();
    let listeners = listeners.map(|(index, (table, address))| {
        json!({
            "name": format!("table-{index}"),
            "address": place(*address),
            "filter_chains": [{ "filters": [{
                "name": "http",
                "typed_config": {
                    "@type": format!("{TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager"),
                    "stat_prefix": format!("table-{index}"),
                    "codec_type": "HTTP1",
                    "generate_request_id": false,
                    "use_remote_address": false,
                    "http_filters": [{
                        "name": "envoy.filters.http.router",
                        "typed_config": { "@type": format!("{TYPES}.filters.http.router.v3.Router") },
                    }],
                    "route_config": table.text,
                },
            }] }],
        })
    });
    let clusters = CLUSTERS
        .iter()
        .zip(&backend.addresses)
        .map(|(name, address)| {
            json!({
                "name": name, "type": "STATIC", "connect_timeout": "5s",
                "load_assignment": { "cluster_name": name, "endpoints": [{ "lb_endpoints":
                    [{ "endpoint": { "address": place(*address) } }] }] },
            })
        });
    json!({ "static_resources": {
        "listeners": listeners.collect::<Vec<_>>(),
        "clusters": clusters.collect::<Vec<_>>(),
    } })
}
