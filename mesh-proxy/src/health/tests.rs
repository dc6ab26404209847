//! Probes over sockets, against servers of several kinds.

#![expect(
    deprecated,
    reason = "control planes still send the older forms of several fields"
)]

mod servers;

use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use http::{HeaderMap, Response, Version};
use mesh_model::service::Health;
use mesh_proto::envoy::envoy::config::cluster::v3 as pb;
use mesh_proto::envoy::envoy::config::core::v3 as core;
use mesh_proto::envoy::envoy::config::core::v3::health_check::{
    GrpcHealthCheck, HealthChecker, HttpHealthCheck, Payload, TcpHealthCheck, payload,
};
use mesh_proto::envoy::envoy::config::endpoint::v3 as endpoint;
use mesh_proto::envoy::google::protobuf as wkt;
use mesh_runtime::SystemClock;
use mesh_test::client::get;
use mesh_test::clock::now;
use mesh_test::eventually_async;
use mesh_test::origin::Origin;
use mesh_test::pki::Authority;
use mesh_traffic::cluster::Transport;
use prometheus::Registry;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use self::servers::{Echo, GrpcHealth};
use super::*;
use crate::testing::{
    Mk, Proxy, free_address, health_check, mk_config, mutual_tls, pb_address, table, to_cluster,
};

const NAME: &str = "checked";

fn millis(millis: i32) -> Option<wkt::Duration> {
    Some(wkt::Duration {
        seconds: 0,
        nanos: millis * 1_000_000,
    })
}

fn http_check() -> HttpHealthCheck {
    HttpHealthCheck {
        path: "/healthz".into(),
        ..Default::default()
    }
}

fn of_http(check: HttpHealthCheck) -> core::HealthCheck {
    health_check(HealthChecker::HttpHealthCheck(check))
}

fn mk_payload(bytes: &[u8]) -> Payload {
    Payload {
        payload: Some(payload::Payload::Binary(bytes.to_vec())),
    }
}

fn mk_pb(check: core::HealthCheck, addresses: &[SocketAddr]) -> pb::Cluster {
    let one = |address: &SocketAddr| endpoint::LbEndpoint {
        host_identifier: Some(endpoint::lb_endpoint::HostIdentifier::Endpoint(
            endpoint::Endpoint {
                address: Some(pb_address(*address)),
                ..Default::default()
            },
        )),
        ..Default::default()
    };
    pb::Cluster {
        name: NAME.into(),
        load_assignment: Some(endpoint::ClusterLoadAssignment {
            cluster_name: NAME.into(),
            endpoints: vec![endpoint::LocalityLbEndpoints {
                lb_endpoints: addresses.iter().map(one).collect(),
                ..Default::default()
            }],
            ..Default::default()
        }),
        health_checks: vec![check],
        http2_protocol_options: Some(core::Http2ProtocolOptions::default()),
        ..Default::default()
    }
}

fn mk_cluster(check: core::HealthCheck, addresses: &[SocketAddr]) -> Cluster {
    Cluster::compile(&mk_pb(check, addresses)).unwrap()
}

/// A configuration whose endpoints are probed.
struct Bench {
    live: Arc<LiveConfig>,
    tasks: Tasks,
}

impl Bench {
    fn new(cluster: Cluster, identity: Option<LiveIdentity>) -> Self {
        let config = mk_config(Vec::new(), Vec::new(), vec![cluster]);
        Self::with(Arc::new(LiveConfig::new(config)), identity, Vec::new())
    }

    fn with(live: Arc<LiveConfig>, identity: Option<LiveIdentity>, doors: Vec<Door>) -> Self {
        let tasks = Tasks::new(&Registry::new());
        let logs = LogFiles::start(&tasks);
        let prober = Prober::new(live.clone(), Arc::new(SystemClock), identity, logs, doors);
        prober.follow(&tasks);
        Self { live, tasks }
    }

    fn checker(&self) -> Checker {
        let config = self.live.current();
        let cluster = config.cluster(NAME).unwrap();
        cluster.checker.clone().unwrap()
    }

    fn health(&self) -> Vec<Health> {
        let config = self.live.current();
        let endpoints = config.endpoints_of(config.cluster(NAME).unwrap());
        let all = endpoints.unwrap().all.iter();
        all.map(|endpoint| endpoint.health).collect()
    }

    /// Waits until requests see the endpoints so.
    async fn becomes(&self, wanted: &[Health]) {
        eventually_async("health", || async {
            let (seen, counts) = (self.health(), self.checker().counts());
            match seen == wanted {
                true => Ok(()),
                false => Err((seen, counts)),
            }
        })
        .await;
    }

    /// Waits until so many more probes have come to an end.
    async fn probed(&self, more: u64) {
        let ended = || {
            let counts = self.checker().counts();
            counts.successes + counts.failures
        };
        let wanted = ended() + more;
        eventually_async("probes", || async {
            match ended() {
                seen if seen >= wanted => Ok(()),
                seen => Err(seen),
            }
        })
        .await;
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.tasks.stopping().cancel();
    }
}

/// Answers with a status that the test changes, and keeps the last request's head.
struct Moody {
    status: Arc<AtomicU16>,
    seen: Arc<Mutex<Option<(Version, String, HeaderMap)>>>,
    origin: Origin,
}

impl Moody {
    async fn start(fields: &'static [(&'static str, &'static str)]) -> Self {
        let status = Arc::new(AtomicU16::new(200));
        let seen = Arc::new(Mutex::new(None));
        let (says, sees) = (status.clone(), seen.clone());
        let origin = Origin::start(move |request| {
            let head = (
                request.version(),
                request.uri().to_string(),
                request.headers().clone(),
            );
            *sees.lock() = Some(head);
            let mut answer = Response::builder().status(says.load(Ordering::SeqCst));
            for (name, value) in fields {
                answer = answer.header(*name, *value);
            }
            answer.body("hello world".into()).unwrap()
        })
        .await;
        Self {
            status,
            seen,
            origin,
        }
    }

    fn say(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn an_endpoint_is_what_its_answers_make_of_it() {
    let app = Moody::start(&[]).await;
    let bench = Bench::new(
        mk_cluster(of_http(http_check()), &[app.origin.address()]),
        None,
    );
    bench.becomes(&[Health::Healthy]).await;
    let (version, target, fields) = app.seen.lock().clone().unwrap();
    assert_eq!((version, target.as_str()), (Version::HTTP_11, "/healthz"));
    assert_eq!(fields["user-agent"], "Envoy/HC");
    assert_eq!(fields["host"], NAME);
    // A wrong answer alone suffices, and two right ones.
    app.say(503);
    bench.becomes(&[Health::Unhealthy]).await;
    app.say(200);
    bench.becomes(&[Health::Healthy]).await;
    bench.probed(3).await;
    assert_eq!(app.origin.connections(), 1);
    app.origin.stop().await;
    bench.becomes(&[Health::Unhealthy]).await;
    let counts = bench.checker().counts();
    assert!(counts.network >= 2, "{counts:?}");
    assert_eq!((counts.passive, counts.healthy), (0, 0));
}

#[tokio::test]
async fn bodies_and_fields_are_looked_at() {
    let app = Moody::start(&[("x-envoy-degraded", "true")]).await;
    let check = HttpHealthCheck {
        host: "app.example".into(),
        method: core::RequestMethod::Post.into(),
        send: Some(mk_payload(b"are you well?")),
        receive: vec![mk_payload(b"hello"), mk_payload(b"world")],
        codec_client_type: 1,
        ..http_check()
    };
    let check = core::HealthCheck {
        reuse_connection: Some(wkt::BoolValue { value: false }),
        ..of_http(check)
    };
    let bench = Bench::new(mk_cluster(check, &[app.origin.address()]), None);
    bench.becomes(&[Health::Degraded]).await;
    let (version, target, fields) = app.seen.lock().clone().unwrap();
    assert_eq!(version, Version::HTTP_2);
    assert_eq!(target, "http://app.example/healthz");
    assert_eq!(fields["content-length"], "13");
    bench.probed(3).await;
    assert!(app.origin.connections() >= 3);
    assert_eq!(bench.checker().counts().degraded, 1);
}

#[tokio::test]
async fn http2_connections_are_kept() {
    let app = Moody::start(&[]).await;
    let check = HttpHealthCheck {
        codec_client_type: 1,
        ..http_check()
    };
    let bench = Bench::new(mk_cluster(of_http(check), &[app.origin.address()]), None);
    bench.becomes(&[Health::Healthy]).await;
    bench.probed(5).await;
    assert_eq!(app.origin.connections(), 1);
}

#[tokio::test]
async fn a_connection_suffices_where_no_bytes_are_wanted() {
    let server = Echo::start().await;
    let nobody = free_address();
    let check = health_check(HealthChecker::TcpHealthCheck(TcpHealthCheck::default()));
    let bench = Bench::new(mk_cluster(check, &[server.address(), nobody]), None);
    bench.becomes(&[Health::Healthy, Health::Unhealthy]).await;
}

#[tokio::test]
async fn bytes_are_sent_and_waited_for() {
    let server = Echo::start().await;
    let tcp = |receive: &[u8]| {
        let check = TcpHealthCheck {
            send: Some(mk_payload(b"ping pong")),
            receive: vec![mk_payload(b"ping"), mk_payload(receive)],
            ..Default::default()
        };
        core::HealthCheck {
            timeout: millis(100),
            ..health_check(HealthChecker::TcpHealthCheck(check))
        }
    };
    let bench = Bench::new(mk_cluster(tcp(b"pong"), &[server.address()]), None);
    bench.becomes(&[Health::Healthy]).await;
    bench.probed(3).await;
    assert_eq!(server.connections(), 1);
    // What is closed between probes has failed.
    server.hang_up();
    bench.probed(2).await;
    assert!(bench.checker().counts().network >= 1);
    let bench = Bench::new(mk_cluster(tcp(b"bang"), &[server.address()]), None);
    bench.probed(1).await;
    let flags = bench.checker().flags(server.address()).unwrap();
    assert!(flags.failed && flags.timed_out);
}

#[tokio::test]
async fn a_call_says_whether_its_service_serves() {
    let server = GrpcHealth::start().await;
    let check = health_check(HealthChecker::GrpcHealthCheck(GrpcHealthCheck {
        service_name: "shop.Cart".into(),
        authority: "cart.example".into(),
        ..Default::default()
    }));
    let bench = Bench::new(mk_cluster(check, &[server.address()]), None);
    bench.becomes(&[Health::Healthy]).await;
    let (service, authority) = server.asked();
    assert_eq!(
        (service.as_str(), authority.as_str()),
        ("shop.Cart", "cart.example")
    );
    server.serve(false);
    bench.becomes(&[Health::Unhealthy]).await;
    server.serve(true);
    bench.becomes(&[Health::Healthy]).await;
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn probes_go_by_the_tls_of_the_cluster() {
    const SERVER: &str = "spiffe://cluster.local/ns/default/sa/server";
    let root = Authority::root("cluster.local", now());
    let live = |id: &str| root.live(id, Arc::new(SystemClock));
    let app = Moody::start(&[]).await;
    let address = free_address();
    let listener = Mk {
        inbound: true,
        mutual_tls: true,
        plaintext: false,
        routes: Some(table("inbound", vec![to_cluster("app")])),
        ..Mk::default()
    };
    let app_cluster = crate::testing::mk_cluster("app", &[app.origin.address()]);
    let config = mk_config(
        vec![listener.listener(address)],
        Vec::new(),
        vec![app_cluster],
    );
    let _server = Proxy::start(config, Some(live(SERVER)));
    let probed = |transport| {
        let cluster = Cluster {
            transport,
            ..mk_cluster(of_http(http_check()), &[address])
        };
        let own = live("spiffe://cluster.local/ns/default/sa/client");
        Bench::new(cluster, Some(own))
    };
    let bench = probed(mutual_tls(SERVER));
    bench.becomes(&[Health::Healthy]).await;
    for transport in [
        Transport::Plain,
        mutual_tls("spiffe://cluster.local/ns/default/sa/other"),
    ] {
        let bench = probed(transport);
        bench.probed(2).await;
        assert_eq!(bench.health(), [Health::Unhealthy]);
        assert_eq!(
            bench.checker().counts().network,
            bench.checker().counts().failures
        );
    }
}

#[tokio::test]
async fn requests_go_to_those_that_pass_and_answers_may_fail_an_endpoint() {
    let good = Moody::start(&[]).await;
    let bad = Moody::start(&[("x-envoy-immediate-health-check-fail", "true")]).await;
    let entry = free_address();
    let listener = Mk {
        rds: "t",
        ..Mk::default()
    };
    let check = core::HealthCheck {
        // After the first probe nobody is probed again.
        interval: Some(wkt::Duration {
            seconds: 3600,
            nanos: 0,
        }),
        no_traffic_interval: Some(wkt::Duration {
            seconds: 3600,
            nanos: 0,
        }),
        ..of_http(http_check())
    };
    let cluster = pb::Cluster {
        http2_protocol_options: None,
        ..mk_pb(check, &[good.origin.address(), bad.origin.address()])
    };
    let cluster = Cluster::compile(&cluster).unwrap();
    let config = mk_config(
        vec![listener.listener(entry)],
        vec![table("t", vec![to_cluster(NAME)])],
        vec![cluster],
    );
    let proxy = Proxy::start(config, None);
    let bench = Bench::with(proxy.live.clone(), None, proxy.doors());
    bench.becomes(&[Health::Healthy, Health::Healthy]).await;
    let uri = format!("http://{entry}/");
    for _ in 0..10 {
        assert_eq!(get(&uri, &[]).await.unwrap().status(), 200);
    }
    bench.becomes(&[Health::Healthy, Health::Unhealthy]).await;
    assert_eq!(bench.checker().counts().passive, 1);
    let before = bad.origin.requests();
    for _ in 0..10 {
        assert_eq!(get(&uri, &[]).await.unwrap().status(), 200);
    }
    assert_eq!(bad.origin.requests(), before);
}

#[tokio::test]
async fn connections_end_when_their_endpoint_ceases_to_pass() {
    let app = Moody::start(&[]).await;
    let (http_entry, tcp_entry) = (free_address(), free_address());
    let http = Mk {
        rds: "t",
        ..Mk::default()
    };
    let tcp = Mk {
        name: "tcp",
        ..Mk::default()
    };
    let cluster = pb::Cluster {
        http2_protocol_options: None,
        close_connections_on_host_health_failure: true,
        ..mk_pb(of_http(http_check()), &[app.origin.address()])
    };
    let config = mk_config(
        vec![http.listener(http_entry), tcp.tcp_listener(tcp_entry, NAME)],
        vec![table("t", vec![to_cluster(NAME)])],
        vec![Cluster::compile(&cluster).unwrap()],
    );
    let proxy = Proxy::alone(config);
    let bench = Bench::with(proxy.live.clone(), None, proxy.doors());
    bench.becomes(&[Health::Healthy]).await;
    let mut passed = TcpStream::connect(tcp_entry).await.unwrap();
    passed
        .write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    assert!(passed.read(&mut [0; 4096]).await.unwrap() > 0);
    let uri = format!("http://{http_entry}/");
    assert_eq!(get(&uri, &[]).await.unwrap().status(), 200);
    let before = app.origin.connections();
    app.say(503);
    bench.becomes(&[Health::Unhealthy]).await;
    // The end, or that it was cut off.
    while passed.read(&mut [0; 4096]).await.is_ok_and(|read| read > 0) {}
    app.say(200);
    bench.becomes(&[Health::Healthy]).await;
    assert_eq!(get(&uri, &[]).await.unwrap().status(), 200);
    assert_eq!(app.origin.connections(), before + 1);
}

#[tokio::test]
async fn probes_go_on_over_a_new_configuration_and_end_with_the_cluster() {
    let app = Moody::start(&[]).await;
    let cluster = || mk_cluster(of_http(http_check()), &[app.origin.address()]);
    let bench = Bench::new(cluster(), None);
    bench.becomes(&[Health::Healthy]).await;
    let checker = bench.checker();
    let put = |cluster: Option<Cluster>| {
        bench.live.change(|before| {
            let mut config = Config {
                version: before.version + 1,
                ..before.clone()
            };
            let known = config.clusters.remove(NAME);
            if let (Some(cluster), Some(known)) = (cluster, known) {
                let cluster = Arc::new(cluster.following(&known));
                config.clusters.insert(NAME.into(), cluster);
            }
            config
        });
    };
    put(Some(cluster()));
    assert_eq!(bench.checker(), checker);
    assert_eq!(bench.health(), [Health::Healthy]);
    bench.probed(2).await;
    assert_eq!(app.origin.connections(), 1);
    put(None);
    eventually_async("the last connection to be given up", || async {
        match bench.live.current().checkers().count() {
            0 => Ok(()),
            left => Err(left),
        }
    })
    .await;
}

#[tokio::test]
async fn events_are_written_as_json() {
    let app = Moody::start(&[]).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events");
    let check = core::HealthCheck {
        event_log_path: path.to_str().unwrap().into(),
        ..of_http(http_check())
    };
    let bench = Bench::new(mk_cluster(check, &[app.origin.address()]), None);
    bench.becomes(&[Health::Healthy]).await;
    app.say(500);
    bench.becomes(&[Health::Unhealthy]).await;
    let lines = eventually_async("two events", || async {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let lines: Vec<serde_json::Value> = text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect();
        match lines.len() {
            2 => Ok(lines),
            _ => Err(lines),
        }
    })
    .await;
    assert_eq!(lines[0]["add_healthy_event"]["first_check"], true);
    assert_eq!(lines[0]["health_checker_type"], "HTTP");
    assert_eq!(lines[0]["cluster_name"], NAME);
    let port = &lines[0]["host"]["socket_address"]["port_value"];
    assert_eq!(*port, app.origin.address().port());
    let ejected = &lines[1]["eject_unhealthy_event"];
    assert_eq!(ejected["failure_type"], "ACTIVE");
    assert_eq!(ejected["http_status_code"], 500);
    // Who writes the file waits to be told of the end.
    bench.tasks.stop(Duration::from_secs(20)).await;
}

#[tokio::test]
async fn an_answer_may_not_be_endless() {
    let app = Origin::start(|_| Response::new(vec![b'x'; 2 << 20].into())).await;
    let bench = Bench::new(mk_cluster(of_http(http_check()), &[app.address()]), None);
    bench.probed(1).await;
    assert_eq!(bench.health(), [Health::Unhealthy]);
    assert!(bench.checker().counts().network >= 1);
}
