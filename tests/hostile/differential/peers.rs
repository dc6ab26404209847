//! Envoy and HAProxy as plain reverse proxies before the strict back end.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use mesh_test::eventually_async;
use mesh_tests::tools;
use tempfile::TempDir;
use tokio::net::TcpStream;

/// A running peer; dropping it ends it.
pub(super) struct Peer {
    /// Where it listens: towards HTTP/1, towards HTTP/2.
    pub(super) address: [SocketAddr; 2],
    process: Child,
    folder: TempDir,
}

impl Peer {
    fn start(program: PathBuf, args: &[&str], config: &str, address: [SocketAddr; 2]) -> Self {
        let folder = TempDir::new().expect("a folder");
        let file = folder.path().join("config");
        std::fs::write(&file, config).expect("a file");
        let log = std::fs::File::create(folder.path().join("log")).expect("a file");
        let mut command = Command::new(&program);
        for arg in args {
            command.arg(arg.replace("CONFIG", &file.to_string_lossy()));
        }
        let errors = log.try_clone().expect("a file");
        let process = command
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn();
        let process = process.unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        Self {
            address,
            process,
            folder,
        }
    }

    /// Waits until it takes connections.
    pub(super) async fn wait(&self) {
        let log = self.folder.path().join("log");
        for address in self.address {
            eventually_async("the peer listens", || async {
                let said = || std::fs::read_to_string(&log).unwrap_or_default();
                TcpStream::connect(address)
                    .await
                    .map(drop)
                    .map_err(|error| (error, said()))
            })
            .await;
        }
    }
}

impl Peer {
    /// Whether its process lives.
    pub(super) fn is_alive(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// Two ports that are free now.
fn ports() -> [SocketAddr; 2] {
    let both = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port"));
    both.map(|listener| listener.local_addr().expect("an address"))
}

/// Envoy with its defaults, but for what Istio switches on: normal paths, trailers.
pub(super) fn envoy(back: [SocketAddr; 2]) -> Peer {
    let address = ports();
    let types = "type.googleapis.com/envoy.extensions";
    let place = |address: SocketAddr| {
        serde_json::json!({"socket_address":
            {"address": address.ip().to_string(), "port_value": address.port()}})
    };
    let listener = |name: &str, at: SocketAddr| {
        serde_json::json!({
            "name": name, "address": place(at),
            "filter_chains": [{"filters": [{"name": "http", "typed_config": {
                "@type": format!("{types}.filters.network.http_connection_manager.v3.HttpConnectionManager"),
                "stat_prefix": name, "codec_type": "AUTO", "normalize_path": true,
                "http_protocol_options": {"enable_trailers": true},
                "upgrade_configs": [{"upgrade_type": "websocket"}],
                "http_filters": [{"name": "envoy.filters.http.router", "typed_config":
                    {"@type": format!("{types}.filters.http.router.v3.Router")}}],
                "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes":
                    [{"match": {"prefix": "/"}, "route": {"cluster": name, "timeout": "0s"}}]}]},
            }}]}],
        })
    };
    let cluster = |name: &str, at: SocketAddr, options: serde_json::Value| {
        serde_json::json!({
            "name": name, "type": "STATIC", "connect_timeout": "5s",
            "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints":
                [{"endpoint": {"address": place(at)}}]}]},
            "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": format!("{types}.upstreams.http.v3.HttpProtocolOptions"),
                // A connection each: none is reused that the back end is about to close.
                "common_http_protocol_options": {"max_requests_per_connection": 1},
                "explicit_http_config": options}},
        })
    };
    let trailers = serde_json::json!({"http_protocol_options": {"enable_trailers": true}});
    let two = serde_json::json!({"http2_protocol_options": {}});
    let config = serde_json::json!({"static_resources": {
        "listeners": [listener("one", address[0]), listener("two", address[1])],
        "clusters": [cluster("one", back[0], trailers), cluster("two", back[1], two)],
    }});
    let yaml = config.to_string();
    let args = [
        "--concurrency",
        "1",
        "-l",
        "error",
        "--disable-hot-restart",
        "--config-yaml",
        &yaml,
    ];
    Peer::start(tools::envoy(), &args, "", address)
}

/// HAProxy with its defaults.
pub(super) fn haproxy(back: [SocketAddr; 2]) -> Peer {
    let address = ports();
    let side = |name: &str, at: SocketAddr, to: SocketAddr, proto: &str| {
        format!(
            "frontend {name}\n  bind {at}\n  default_backend to_{name}\n\
             backend to_{name}\n  server strict {to}{proto}\n"
        )
    };
    let config = format!(
        "global\n  nbthread 1\ndefaults\n  mode http\n  timeout connect 5s\n  timeout client 30s\n  \
         timeout server 30s\n  retries 0\n  http-reuse never\n  option http-server-close\n{}{}",
        side("one", address[0], back[0], ""),
        side("two", address[1], back[1], " proto h2"),
    );
    Peer::start(
        PathBuf::from("haproxy"),
        &["-db", "-f", "CONFIG"],
        &config,
        address,
    )
}
