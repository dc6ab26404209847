//! Python's gRPC without a proxy (gRFC A27, A29): it resolves services by pilot, balances, fails over, and speaks mutual
//! TLS to our sidecars.
//!
//! As istio's agent does it, something beside it secures the stream to pilot: here it is an Envoy that passes bytes on.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use mesh_test::{eventually, eventually_async};
use mesh_tests::tools;
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;

use super::certificates::Certificates;
use super::envoy::{TYPES, place, to_pilot};
use super::guest::{Guest, pilot};
use crate::python::{self, script};
use crate::world::{App, World};

const PORTS: &[(&str, u16)] = &[("grpc", 8080)];
/// Calls of a measured split.
const CALLS: u32 = 2000;

fn app(name: &'static str) -> App {
    App {
        name,
        env: vec![("SERVER_NAME", name.to_owned())],
        ..python::server("grpc", PORTS)
    }
}

/// Both applications behind one name, beside the services of their own.
fn both() -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "both"}, "spec": {
        "selector": {"version": "v1"},
        "ports": [{"name": "grpc", "port": 8080, "targetPort": "grpc"}]}})
}

const SPLIT: &str = "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: split}
spec:
  hosts: [one]
  http:
  - match:
    - headers: {never: {exact: sent}}
    fault: {abort: {httpStatus: 503, percentage: {value: 100}}}
    route:
    - destination: {host: one}
  - route:
    - {destination: {host: one}, weight: 20}
    - {destination: {host: two}, weight: 80}
";

const STRICT: &str = "
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: istio-system}
spec:
  mtls: {mode: STRICT}
";

/// What takes the client's plain stream to pilot, by mutual TLS.
struct Agent {
    address: SocketAddr,
    process: Child,
}

impl Agent {
    async fn start(world: &World, own: &Certificates, folder: &TempDir) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        let text = json!({"static_resources": {
            "listeners": [{
                "name": "xds", "address": place(address),
                "filter_chains": [{"filters": [{"name": "tcp", "typed_config": {
                    "@type": format!("{TYPES}.filters.network.tcp_proxy.v3.TcpProxy"),
                    "stat_prefix": "xds", "cluster": "pilot", "idle_timeout": "0s"}}]}],
            }],
            "clusters": [{
                "name": "pilot", "type": "STATIC", "connect_timeout": "5s",
                "load_assignment": {"cluster_name": "pilot", "endpoints": [{"lb_endpoints":
                    [{"endpoint": {"address": place(pilot(&world.mesh))}}]}]},
                "transport_socket": to_pilot(own),
            }],
        }});
        let file = folder.path().join("agent.json");
        std::fs::write(&file, text.to_string()).unwrap();
        drop(free);
        let process = Command::new(tools::envoy())
            .args([
                "-l",
                "error",
                "--disable-hot-restart",
                "--concurrency",
                "1",
                "--config-path",
            ])
            .arg(file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn();
        let agent = Self {
            address,
            process: process.unwrap(),
        };
        eventually_async("the agent listens", || TcpStream::connect(address)).await;
        agent
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// What became of calls.
#[derive(Debug, Deserialize)]
struct Told {
    answers: BTreeMap<String, u32>,
    errors: BTreeMap<String, u32>,
}

/// A client that resolves one target.
struct Client {
    process: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Client {
    fn start(target: &str, bootstrap: &str) -> Self {
        let mut process = Command::new(tools::python())
            .arg(script("xds_client.py"))
            .arg(target)
            .env("GRPC_XDS_BOOTSTRAP_CONFIG", bootstrap)
            .env("GRPC_VERBOSITY", "ERROR")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (orders, answers) = (process.stdin.take(), process.stdout.take());
        Self {
            process,
            orders: orders.unwrap(),
            answers: BufReader::new(answers.unwrap()),
        }
    }

    fn ask(&mut self, calls: u32) -> Told {
        writeln!(self.orders, "{calls}").unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    /// All of them are answered; by each server so many.
    #[track_caller]
    fn answers(&mut self, calls: u32) -> BTreeMap<String, u32> {
        let told = self.ask(calls);
        assert!(told.errors.is_empty(), "{told:?}");
        told.answers
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

fn bootstrap(guest: &Guest, agent: SocketAddr, own: &Certificates) -> String {
    let [chain, key, roots] = &own.files;
    let mut node = guest.node();
    node["metadata"]["GENERATOR"] = "grpc".into();
    json!({
        "xds_servers": [{"server_uri": agent.to_string(), "server_features": ["xds_v3"],
            "channel_creds": [{"type": "insecure"}]}],
        "node": node,
        "certificate_providers": {"default": {"plugin_name": "file_watcher", "config": {
            "certificate_file": chain, "private_key_file": key, "ca_certificate_file": roots,
            "refresh_interval": "600s"}}},
    })
    .to_string()
}

/// Calls that a server's sidecar took from the library by mutual TLS.
async fn secured(world: &World, guest: &Guest, app: &str) -> u64 {
    let identity = guest.identity();
    let labels = [
        ("reporter", "destination"),
        ("connection_security_policy", "mutual_tls"),
        ("source_principal", identity.as_str()),
    ];
    world.counted(app, &labels).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_library_balances_fails_over_and_speaks_mutual_tls() {
    let world = World::up(&[app("one"), app("two")], &[both()]);
    let guest = Guest::library(&world.mesh);
    guest.enter(&world.mesh);
    let folder = TempDir::new().unwrap();
    let own = Certificates::write(&world.mesh, &guest, folder.path());
    let agent = Agent::start(&world, &own, &folder).await;
    let bootstrap = bootstrap(&guest, agent.address, &own);

    // One service, by its short name.
    let mut one = Client::start("xds:///one:8080", &bootstrap);
    assert_eq!(one.answers(20), BTreeMap::from([("one".to_owned(), 20)]));
    assert_eq!(secured(&world, &guest, "one").await, 20);

    // Two endpoints of one service take turns.
    let mut both = Client::start("xds:///both.default.svc.cluster.local:8080", &bootstrap);
    eventually("both are connected to", || {
        let answers = both.answers(20);
        let evenly = answers.len() == 2 && answers.values().all(|count| *count == 10);
        evenly.then_some(()).ok_or(answers)
    });

    // A change moves the calls of a channel that is open, 20 to 80.
    world.mesh.apply(SPLIT);
    eventually("calls go to two as well", || {
        let answers = one.answers(20);
        answers.contains_key("two").then_some(()).ok_or(answers)
    });
    let to_one = one.answers(CALLS)["one"];
    let sigma = (f64::from(CALLS) * 0.2 * 0.8).sqrt();
    let off = (f64::from(to_one) - f64::from(CALLS) * 0.2).abs();
    assert!(off < 5.0 * sigma, "{to_one} of {CALLS} for a share of 20 %");

    // Mutual TLS is not a matter of PERMISSIVE.
    world.mesh.apply(STRICT);
    let before = secured(&world, &guest, "two").await;
    let taken = one.answers(100)["two"];
    assert_eq!(
        secured(&world, &guest, "two").await - before,
        u64::from(taken)
    );

    // An endpoint goes: none of the calls fails, and the other takes all of them.
    world.mesh.meshctl_ok(&["stop", "two"]);
    eventually("one is alone", || {
        let answers = both.answers(20);
        (!answers.contains_key("two")).then_some(()).ok_or(answers)
    });
    assert_eq!(both.answers(200), BTreeMap::from([("one".to_owned(), 200)]));
}
