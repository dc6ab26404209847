//! h2spec, all 146 cases, strict, against every kind of listener that speaks HTTP/2.

use std::net::SocketAddr;
use std::process::{Command, Stdio};

use mesh_test::tls::careless_client;
use mesh_tests::tools::tool;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::apps;
use crate::world::{Shared, World};

static WORLD: Shared = Shared::new(|| {
    let gateway = json!({
        "apiVersion": "networking.istio.io/v1", "kind": "Gateway", "metadata": {"name": "all"},
        "spec": {"selector": {"istio": "ingressgateway"}, "servers": [
            {"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["*"]}]},
    });
    let routes = json!({
        "apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"name": "all"},
        "spec": {"hosts": ["*"], "gateways": ["all"], "http": [
            {"route": [{"destination": {"host": "hyper", "port": {"number": 8080}}}]}]},
    });
    World::up(&[apps::hyper()], &[gateway, routes])
});

/// How h2spec ended: its closing line, and what failed.
struct Verdict {
    summary: String,
    failures: String,
}

/// Asks for `/seen`, which is answered when the request is whole: an answer that comes earlier would
/// end streams that some cases want to break.
fn h2spec(at: SocketAddr) -> Verdict {
    let (host, port) = (at.ip().to_string(), at.port().to_string());
    let output = Command::new(tool("bin/h2spec"))
        .args(["--strict", "-h", &host, "-p", &port, "-P", "/seen"])
        .stdin(Stdio::null())
        .output();
    let text = output.expect("h2spec runs").stdout;
    let text = String::from_utf8_lossy(&text);
    let failures = text.split_once("Failures:").map_or("", |(_, rest)| rest);
    Verdict {
        summary: text.lines().last().unwrap_or_default().to_owned(),
        failures: failures.to_owned(),
    }
}

/// A listener that takes HTTP/1 on the same port answers what is no preface of HTTP/2 with 400, as
/// RFC 9112 3 asks, and closes. h2spec's second case of 3.5 knows no such port: it takes that answer
/// for the head of a frame. Everything else must pass.
#[track_caller]
fn check_cleartext(at: SocketAddr) {
    let verdict = h2spec(at);
    let only = verdict.failures.matches('×').count() == 1
        && verdict
            .failures
            .contains("× 2: Sends invalid connection preface")
        && verdict.failures.contains("Actual: Error: unexpected EOF");
    let all = "146 tests, 146 passed, 0 skipped, 0 failed";
    let but_one = "146 tests, 145 passed, 0 skipped, 1 failed";
    let passed = verdict.summary == all || (verdict.summary == but_one && only);
    assert!(passed, "{}\n{}", verdict.summary, verdict.failures);
}

#[test]
fn an_outbound_listener_passes_every_case() {
    check_cleartext(WORLD.get().outbound("hyper", 8080));
}

#[test]
fn an_outbound_listener_of_an_http2_port_passes_every_case() {
    check_cleartext(WORLD.get().outbound("hyper", 8081));
}

#[test]
fn an_inbound_listener_passes_every_case() {
    check_cleartext(WORLD.get().inbound("hyper", 8080));
}

#[test]
fn a_gateway_passes_every_case() {
    check_cleartext(WORLD.get().gateway());
}

#[tokio::test]
async fn what_is_no_preface_is_answered_as_http1_and_closed() {
    let world = WORLD.get();
    for at in [
        world.outbound("hyper", 8080),
        world.inbound("hyper", 8080),
        world.gateway(),
    ] {
        let mut stream = TcpStream::connect(at).await.unwrap();
        stream
            .write_all(b"INVALID CONNECTION PREFACE\r\n\r\n")
            .await
            .unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with("HTTP/1.1 400 "), "{at}: {answer}");
    }
}

/// Over TLS there is no other protocol to fall back to: not one case may fail.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_inbound_listener_passes_every_case_over_mutual_tls() {
    let world = WORLD.get();
    let friend = world
        .mesh
        .authority()
        .leaf("spiffe://cluster.local/ns/default/sa/friend");
    let config = careless_client(Some(&friend), &[b"istio-h2", b"h2"]);
    let relay = relay::to(world.inbound("hyper", 8080), config).await;
    let at = relay.address;
    let verdict = tokio::task::spawn_blocking(move || h2spec(at))
        .await
        .unwrap();
    let all = "146 tests, 146 passed, 0 skipped, 0 failed";
    assert_eq!(verdict.summary, all, "{}", verdict.failures);
}

/// Puts TLS with a client's certificate, which h2spec cannot show, around what it says.
mod relay {
    use std::net::SocketAddr;
    use std::sync::Arc;

    use rustls::ClientConfig;
    use rustls::pki_types::ServerName;
    use tokio::io::copy_bidirectional;
    use tokio::net::{TcpListener, TcpStream};
    use tokio::task::JoinSet;
    use tokio_rustls::TlsConnector;

    /// Relays until dropped.
    pub(super) struct Relay {
        pub(super) address: SocketAddr,
        _relaying: JoinSet<()>,
    }

    pub(super) async fn to(server: SocketAddr, config: ClientConfig) -> Relay {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        let mut relaying = JoinSet::new();
        relaying.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(relay(client, server, connector.clone()));
            }
        });
        Relay {
            address,
            _relaying: relaying,
        }
    }

    async fn relay(mut client: TcpStream, server: SocketAddr, connector: TlsConnector) {
        let name = ServerName::try_from("hyper.default.svc.cluster.local").unwrap();
        let stream = TcpStream::connect(server).await.unwrap();
        stream.set_nodelay(true).unwrap();
        client.set_nodelay(true).unwrap();
        let mut stream = connector.connect(name, stream).await.unwrap();
        let _either_side_ends = copy_bidirectional(&mut client, &mut stream).await;
    }
}
