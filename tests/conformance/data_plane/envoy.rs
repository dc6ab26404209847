//! An Envoy that asks pilot what to do, with a certificate of the mesh.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use mesh_test::client::get;
use mesh_test::eventually_async;
use mesh_tests::{Mesh, tools};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::agent::Agent;
use super::certificates::Certificates;
use super::guest::{Guest, pilot};

pub(super) const TYPES: &str = "type.googleapis.com/envoy.extensions";
const PILOT: &str = "spiffe://cluster.local/ns/istio-system/sa/istio-pilot-service-account";

/// The variant of the protocol in which it asks.
#[derive(Clone, Copy)]
pub(super) enum Variant {
    Delta,
    StateOfTheWorld,
}

/// A running Envoy; dropping it ends it.
pub(super) struct Envoy {
    pod: String,
    admin: SocketAddr,
    entry: SocketAddr,
    listeners: Value,
    process: Mutex<Child>,
    folder: TempDir,
    _agent: Agent,
}

impl Envoy {
    pub(super) async fn start(mesh: &Mesh, guest: &Guest, variant: Variant) -> Self {
        let folder = TempDir::new().unwrap();
        let own = Certificates::write(mesh, guest, folder.path());
        let agent = Agent::start(&own).await;
        let admin = SocketAddr::new(guest.ip.into(), 15000);
        let text = json!({
            "node": guest.node(),
            "admin": {"address": place(admin)},
            "dynamic_resources": dynamic(variant),
            "static_resources": {"clusters": [
                grpc("xds-grpc", pilot(mesh), Some(to_pilot(&own))),
                grpc("sds-grpc", agent.address, None),
            ]},
        });
        let bootstrap = folder.path().join("bootstrap.json");
        std::fs::write(&bootstrap, text.to_string()).unwrap();
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let process = Command::new(tools::envoy())
            .args([
                "-l",
                "warning",
                "--disable-hot-restart",
                "--concurrency",
                "1",
            ])
            .arg("--config-path")
            .arg(bootstrap)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        Self {
            pod: format!("{}.{}", guest.name, guest.namespace),
            admin,
            entry: guest.entry,
            listeners: guest.listeners.clone(),
            process: Mutex::new(process.unwrap()),
            folder,
            _agent: agent,
        }
    }

    /// Waits until it is ready and has a listener where it is entered.
    pub(super) async fn wait(&self) {
        eventually_async("Envoy is ready", || async {
            let ended = self.process.lock().try_wait().unwrap();
            assert_eq!(ended, None, "{}", self.log());
            let ready = get(&format!("http://{}/ready", self.admin), &[]).await;
            let listeners = get(&format!("http://{}/listeners", self.admin), &[]).await;
            let text = listeners.map(|page| String::from_utf8_lossy(page.body()).into_owned());
            let text = text.unwrap_or_default();
            let up = ready.is_ok_and(|page| page.status() == 200);
            match up && text.contains(&self.entry.to_string()) {
                true => Ok(()),
                false => Err(format!("{text}\n{}", self.log())),
            }
        })
        .await;
    }

    /// Name of its pod, as `proxy-status` says it.
    pub(super) fn pod(&self) -> &str {
        &self.pod
    }

    /// Where it takes what is meant for the application.
    pub(super) fn inbound(&self) -> SocketAddr {
        self.entry
    }

    /// Where it lets requests in.
    pub(super) fn gateway(&self) -> SocketAddr {
        self.entry
    }

    /// Where it listens for `host:port` of a service.
    pub(super) fn outbound(&self, service: &str) -> SocketAddr {
        self.listeners["outbound"][service]
            .as_str()
            .unwrap()
            .parse()
            .unwrap()
    }

    /// Where it is an explicit HTTP proxy.
    pub(super) fn http_proxy(&self) -> SocketAddr {
        self.listeners["httpProxy"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap()
    }

    /// The sum of its counters whose names match.
    pub(super) async fn sum(&self, names: &str) -> u64 {
        let page = format!(
            "http://{}/stats?format=json&filter={}",
            self.admin,
            escaped(names)
        );
        let page = get(&page, &[]).await.unwrap();
        let page: Value = serde_json::from_slice(page.body()).unwrap();
        let stats = page["stats"].as_array().unwrap();
        stats.iter().filter_map(|stat| stat["value"].as_u64()).sum()
    }

    /// What it said.
    pub(super) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        let process = self.process.get_mut();
        process.kill().ok();
        process.wait().ok();
    }
}

/// As it may stand in a query.
fn escaped(text: &str) -> String {
    let escape = |byte: u8| match byte {
        b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(escape).collect()
}

fn dynamic(variant: Variant) -> Value {
    let everything =
        json!({"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "0s"});
    json!({
        "lds_config": everything,
        "cds_config": everything,
        "ads_config": {
            "api_type": match variant {
                Variant::Delta => "DELTA_GRPC",
                Variant::StateOfTheWorld => "GRPC",
            },
            "transport_api_version": "V3",
            "set_node_on_first_message_only": true,
            "grpc_services": [{"envoy_grpc": {"cluster_name": "xds-grpc"}}],
        },
    })
}

fn grpc(name: &str, to: SocketAddr, transport: Option<Value>) -> Value {
    let mut cluster = json!({
        "name": name, "type": "STATIC", "connect_timeout": "5s",
        "load_assignment": {"cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": place(to)}}]}]},
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": format!("{TYPES}.upstreams.http.v3.HttpProtocolOptions"),
            "explicit_http_config": {"http2_protocol_options": {}}}},
    });
    if let Some(transport) = transport {
        cluster["transport_socket"] = transport;
    }
    cluster
}

/// Mutual TLS towards pilot.
pub(super) fn to_pilot(own: &Certificates) -> Value {
    let [chain, key, roots] = &own.files;
    json!({
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": format!("{TYPES}.transport_sockets.tls.v3.UpstreamTlsContext"),
            "common_tls_context": {
                "alpn_protocols": ["h2"],
                "tls_params": {"tls_maximum_protocol_version": "TLSv1_3"},
                "tls_certificates": [
                    {"certificate_chain": {"filename": chain}, "private_key": {"filename": key}}],
                "validation_context": {
                    "trusted_ca": {"filename": roots},
                    "match_typed_subject_alt_names": [{"san_type": "URI", "matcher": {"exact": PILOT}}],
                },
            },
        },
    })
}

/// `socket_address` of an address.
pub(super) fn place(address: SocketAddr) -> Value {
    let (ip, port) = (address.ip().to_string(), address.port());
    json!({"socket_address": {"address": ip, "port_value": port}})
}
