//! Through real sockets, with applications that are not ours: hyper, rustls and tonic.

mod apps;
mod metrics;
mod probes;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use http::Response;
use mesh_test::client::{Client, Http, get};

use super::*;
use crate::settings::{Environment, StatusFlags};

/// The metrics of the proxy.
const OWN: &str = "# TYPE own_total counter\nown_total 1\n";

/// A sidecar without a proxy.
struct Sidecar {
    status: SocketAddr,
    health: SocketAddr,
    metrics: SocketAddr,
    ready: Arc<AtomicBool>,
    quits: Arc<AtomicUsize>,
    registry: Registry,
    tasks: Tasks,
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        self.tasks.stopping().cancel();
    }
}

async fn mk_sidecar(environment: Environment) -> Sidecar {
    mk_sidecar_of("127.0.0.1", environment).await
}

/// The sidecar of a pod at an address of the loopback network.
async fn mk_sidecar_of(pod: &str, environment: Environment) -> Sidecar {
    let listen = || async { TcpListener::bind("127.0.0.1:0").await.unwrap() };
    let sockets = [listen().await, listen().await, listen().await];
    let [status, health, metrics] = sockets.each_ref().map(|s| s.local_addr().unwrap());
    let ports = StatusFlags {
        status_port: status.port(),
        envoy_status_port: health.port(),
        envoy_prometheus_port: metrics.port(),
    };
    let settings = StatusSettings::new(ports, pod.parse().unwrap(), &environment).unwrap();
    let (ready, quits) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
    let (is_ready, quit) = (ready.clone(), quits.clone());
    let subject = Subject {
        ready: Box::new(move || match is_ready.load(Ordering::SeqCst) {
            true => Ok("LIVE"),
            false => Err("INITIALIZING"),
        }),
        metrics: Box::new(|| OWN.to_owned()),
        quit: Box::new(move || {
            quit.fetch_add(1, Ordering::SeqCst);
        }),
    };
    let registry = Registry::new();
    let tasks = Tasks::new(&Registry::new());
    let [one, two, three] = sockets.map(Some);
    let sockets = Sockets {
        status: one,
        health: two,
        metrics: three,
    };
    serve(sockets, settings, subject, &registry, &tasks);
    Sidecar {
        status,
        health,
        metrics,
        ready,
        quits,
        registry,
        tasks,
    }
}

async fn ask(at: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Response<Bytes> {
    get(&format!("http://{at}{path}"), headers).await.unwrap()
}

async fn status(at: SocketAddr, path: &str) -> u16 {
    ask(at, path, &[]).await.status().as_u16()
}

#[tokio::test]
async fn both_ports_say_whether_the_proxy_is_ready() {
    let sidecar = mk_sidecar(Environment::default()).await;
    for at in [sidecar.status, sidecar.health] {
        let answer = ask(at, "/healthz/ready", &[]).await;
        assert_eq!(answer.status(), 503);
        assert_eq!(answer.body(), "INITIALIZING\n");
    }
    sidecar.ready.store(true, Ordering::SeqCst);
    for at in [sidecar.status, sidecar.health] {
        assert_eq!(status(at, "/healthz/ready").await, 200);
    }
    assert_eq!(status(sidecar.metrics, "/healthz/ready").await, 404);
}

#[tokio::test]
async fn nothing_but_health_and_metrics_is_answered() {
    let sidecar = mk_sidecar(Environment::default()).await;
    for path in ["/", "/config_dump", "/drain", "/quitquitquit", "/metrics"] {
        assert_eq!(status(sidecar.health, path).await, 404, "{path}");
        assert_eq!(status(sidecar.metrics, path).await, 404, "{path}");
    }
    assert_eq!(status(sidecar.health, "/stats/prometheus").await, 404);
    assert_eq!(status(sidecar.status, "/config_dump").await, 404);
    let mut client = Client::plain(sidecar.status, Http::One).await.unwrap();
    let uri = format!("http://{}/healthz/ready", sidecar.status);
    let answer = client.post(&uri, &[], Bytes::new()).await.unwrap();
    assert_eq!(answer.status(), 405);
}

#[tokio::test]
async fn a_process_of_the_pod_ends_us() {
    let sidecar = mk_sidecar(Environment::default()).await;
    let uri = format!("http://{}/quitquitquit", sidecar.status);
    assert_eq!(status(sidecar.status, "/quitquitquit").await, 405);
    let mut client = Client::plain(sidecar.status, Http::One).await.unwrap();
    let answer = client.post(&uri, &[], Bytes::new()).await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.body()[..]),
        (200, &b"OK"[..])
    );
    assert_eq!(sidecar.quits.load(Ordering::SeqCst), 1);
    let mut client = Client::plain(sidecar.metrics, Http::One).await.unwrap();
    let answer = client.post(&uri, &[], Bytes::new()).await.unwrap();
    assert_eq!(answer.status(), 405);
    assert_eq!(sidecar.quits.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn the_ports_are_open_at_every_address() {
    let socket = everywhere(0).unwrap();
    let port = socket.local_addr().unwrap().port();
    for address in ["127.0.0.1", "127.0.0.99"] {
        TcpStream::connect((address, port)).await.unwrap();
    }
}

#[tokio::test]
async fn a_port_that_is_taken_is_named_with_its_flag() {
    let taken = everywhere(0).unwrap();
    let port = taken.local_addr().unwrap().port();
    let ports = StatusFlags {
        envoy_status_port: port,
        ..StatusFlags::default()
    };
    let address = "127.0.0.1".parse().unwrap();
    let settings = StatusSettings::new(ports, address, &Environment::default()).unwrap();
    let error = Sockets::open(&settings).unwrap_err().to_string();
    let wanted = format!("--envoy-status-port: cannot listen on port {port}: ");
    assert!(error.starts_with(&wanted), "{error}");
}

#[tokio::test]
async fn without_ports_nothing_is_open() {
    let address = "127.0.0.1".parse().unwrap();
    let (ports, environment) = (StatusFlags::default(), Environment::default());
    let settings = StatusSettings::new(ports, address, &environment).unwrap();
    let sockets = Sockets::open(&settings).unwrap();
    assert!(sockets.status.is_none() && sockets.health.is_none() && sockets.metrics.is_none());
}
