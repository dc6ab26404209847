//! What the generated resources mean: they are compiled as proxies compile them, and asked.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that says what is wrong by failing"
)]

#[path = "support/world.rs"]
mod world;

use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use mesh_http::{RequestHead, Scheme};
use mesh_pilot::snapshot::{ProxyId, ProxyKind, World};
use mesh_pilot::translate::{Resources, translate};
use mesh_traffic::listener::{ConnFacts, Network, Transport};
use mesh_traffic::{Action, Cluster, Endpoints, Listener, RouteTable, decide_route};

/// Who connects, where that does not matter.
const CLIENT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 244, 9, 9)), 40000);

fn case(name: &str) -> World {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens");
    world::of(&std::fs::read_to_string(root.join(name).join("in.yaml")).unwrap())
}

fn resources(world: &World, proxy: &str) -> Resources {
    translate(&world.view(&world::proxy(proxy)).unwrap())
}

#[test]
fn a_proxy_can_use_every_resource_it_is_sent() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens");
    for entry in std::fs::read_dir(root).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let world = case(&name);
        for workload in world.registry.workloads.keys() {
            for kind in [ProxyKind::Sidecar, ProxyKind::Captured, ProxyKind::Router] {
                let workload = workload.clone();
                compile_all(&name, &world, &ProxyId { workload, kind });
            }
        }
    }
}

fn compile_all(case: &str, world: &World, proxy: &ProxyId) {
    let made = translate(&world.view(proxy).unwrap());
    let ok = |what: &str, result: Result<(), &dyn Display>| {
        if let Err(why) = result {
            panic!("{case}, {}: {what}: {why}", proxy.workload);
        }
    };
    for (name, one) in &made.listeners {
        ok(
            name,
            Listener::compile(one)
                .map(drop)
                .as_ref()
                .map_err(|e| e as _)
                .copied(),
        );
    }
    for (name, one) in &made.routes {
        ok(
            name,
            RouteTable::compile(one)
                .map(drop)
                .as_ref()
                .map_err(|e| e as _)
                .copied(),
        );
    }
    for (name, one) in &made.clusters {
        ok(
            name,
            Cluster::compile(one)
                .map(drop)
                .as_ref()
                .map_err(|e| e as _)
                .copied(),
        );
    }
    for (name, one) in &made.endpoints {
        ok(
            name,
            Endpoints::compile(one)
                .map(drop)
                .as_ref()
                .map_err(|e| e as _)
                .copied(),
        );
    }
}

/// Where `request` goes by `table`: a cluster, a status, or `no route`.
fn asked(made: &Resources, table: &str, request: &str) -> String {
    let table = RouteTable::compile(made.routes.get(table).unwrap()).unwrap();
    let decision = decide_route(&table, &head(request), || 0);
    match decision.action {
        Action::Forward(forward) => forward.cluster.to_string(),
        Action::Respond(_) => "answered".into(),
        Action::Redirect(_) => "redirected".into(),
        Action::NotFound => "no route".into(),
    }
}

/// Reads `GET reviews:9080/path name=value`.
fn head(request: &str) -> RequestHead {
    let mut words = request.split(' ');
    let method = words.next().unwrap().to_owned();
    let target = words.next().unwrap();
    let (authority, path) = target.split_at(target.find('/').unwrap());
    let mut head = RequestHead {
        method,
        scheme: Scheme::Http,
        authority: authority.into(),
        path: path.into(),
        ..RequestHead::default()
    };
    for field in words {
        let (name, value) = field.split_once('=').unwrap();
        head.fields.append(name, value).unwrap();
    }
    head
}

#[track_caller]
fn check(made: &Resources, table: &str, request: &str, wanted: &str) {
    assert_eq!(asked(made, table, request), wanted, "{request} by {table}");
}

#[test]
fn jason_gets_v2_and_others_do_not() {
    let made = resources(&case("worked-example"), "sidecar productpage-v1-0.default");
    let table = "reviews.default.svc.cluster.local:9080";
    let of = |subset: &str| format!("outbound|9080|{subset}|reviews.default.svc.cluster.local");
    check(
        &made,
        table,
        "GET reviews:9080/reviews/0 end-user=jason",
        &of("v2"),
    );
    check(
        &made,
        table,
        "GET reviews:9080/reviews/0 end-user=jasper",
        &of("v1"),
    );
    check(&made, table, "GET reviews:9080/reviews/0", &of("v1"));
    // The listener is the service's own: any Host will do.
    check(&made, table, "GET 127.7.1.13:9080/reviews/0", &of("v1"));
}

#[test]
fn a_gateway_serves_what_is_bound_and_nothing_else() {
    let made = resources(&case("gateway"), "router ingress-0.istio-system");
    let product = "outbound|9080||productpage.default.svc.cluster.local";
    let reviews = "outbound|9080||reviews.default.svc.cluster.local";
    check(
        &made,
        "http.18080",
        "GET anything:8080/productpage",
        product,
    );
    check(&made, "http.18080", "GET anything/productpage?u=1", product);
    check(&made, "http.18080", "GET anything/other", reviews);
    check(
        &made,
        "http.8081",
        "GET books.shop.example/books/1",
        reviews,
    );
    check(
        &made,
        "http.8081",
        "GET books.shop.example/films",
        "no route",
    );
    check(&made, "http.8081", "GET music.shop.example/", "no route");
    check(&made, "http.8082", "GET nobody.example/", "no route");
}

#[test]
fn the_http_proxy_knows_services_by_all_their_names() {
    let made = resources(&case("http-proxy"), "sidecar client-0.default");
    let web = "outbound|80||web.default.svc.cluster.local";
    let far = "outbound|8080||far.other.svc.cluster.local";
    let check = |request: &str, wanted: &str| check(&made, "http_proxy", request, wanted);
    for name in [
        "web",
        "web:80",
        "web.default",
        "web.default.svc.cluster.local.",
        "10.0.0.7",
    ] {
        check(&format!("GET {name}/"), web);
    }
    check("GET far.other:8080/", far);
    check("GET far.other.svc.cluster.local:8080/", far);
    // Another port of a known host, a short name of another namespace, a foreign host.
    check("GET far.other/", "answered");
    check("GET far:8080/", "answered");
    check("GET web:8080/", "answered");
    check("GET example.org/", "answered");
    check("GET outside.example/", web);
    check("GET a.wild.example/", web);
}

#[test]
fn a_rule_for_a_host_that_does_not_exist_still_names_its_cluster() {
    let made = resources(&case("virtual-services"), "sidecar client-0.default");
    let cluster = asked(&made, "a.default.svc.cluster.local:8080", "GET a/");
    assert_eq!(cluster, "outbound|8080||nowhere.example");
    assert!(!made.clusters.contains_key(&cluster));
}

#[test]
fn redirected_requests_find_services_by_all_their_names_and_addresses() {
    let made = resources(&case("captured"), "captured web-0.default");
    let web = "outbound|80||web.default.svc.cluster.local";
    let check = |request: &str, wanted: &str| check(&made, "80", request, wanted);
    for name in [
        "web",
        "web:80",
        "web.default.svc",
        "10.96.0.10",
        "WEB.default",
    ] {
        check(&format!("GET {name}/"), web);
    }
    let db = "outbound|80||db.store.svc.cluster.local";
    for name in [
        "db.store",
        "db-0.db.store",
        "db-0.db.store.svc.cluster.local",
    ] {
        check(&format!("GET {name}/"), db);
    }
    // A rule for a host outside, and hosts that nobody knows.
    check("GET shop.example.com/", web);
    for name in ["example.com", "db", "10.96.0.11"] {
        check(&format!("GET {name}/"), "PassthroughCluster");
    }
    let made = resources(&case("captured-ip-versions"), "captured both-0.default");
    let both = "outbound|9080||both.default.svc.cluster.local";
    for name in [
        "10.96.0.10:9080",
        "[fd00:10:96::10]:9080",
        "[fd00:10:96::10]",
    ] {
        assert_eq!(asked(&made, "9080", &format!("GET {name}/")), both);
    }
}

#[test]
fn redirected_connections_get_what_the_mode_of_their_port_lets_in() {
    let made = resources(&case("captured"), "captured web-0.default");
    let listener = made.listeners.get("virtualInbound").unwrap();
    let listener = Listener::compile(listener).unwrap();
    let of = |port: u16, transport, alpn: &[&str]| {
        let local = SocketAddr::from(([10, 244, 1, 5], port));
        lead(&listener, local, transport, alpn)
    };
    let (http, tcp) = (["istio-h2", "h2"], ["istio-peer-exchange", "istio"]);
    let inbound = |port: u16| format!("inbound|{port}||");
    // 8080 is HTTP and STRICT, 9000 TCP and DISABLE, 9001 undeclared and STRICT, 7777 has a mode
    // alone, which is PERMISSIVE; every other port is STRICT as the workload is.
    assert_eq!(of(8080, Transport::Tls, &http), "mutual requests");
    assert_eq!(of(8080, Transport::Raw, &["http/1.1"]), "closed");
    assert_eq!(of(9000, Transport::Raw, &[]), inbound(9000));
    assert_eq!(of(9000, Transport::Tls, &tcp), inbound(9000));
    assert_eq!(of(9001, Transport::Tls, &http), "mutual requests");
    assert_eq!(of(9001, Transport::Tls, &tcp), "mutual inbound|9001||");
    assert_eq!(of(9001, Transport::Raw, &[]), "closed");
    assert_eq!(of(7777, Transport::Raw, &["http/1.1"]), "requests");
    assert_eq!(of(7777, Transport::Raw, &[]), inbound(7777));
    assert_eq!(of(7777, Transport::Tls, &tcp), "mutual inbound|7777||");
    let unknown = "mutual InboundPassthroughCluster";
    assert_eq!(of(1234, Transport::Tls, &tcp), unknown);
    assert_eq!(of(1234, Transport::Tls, &http), "mutual requests");
    assert_eq!(of(1234, Transport::Raw, &["http/1.1"]), "closed");
    assert_eq!(of(15006, Transport::Tls, &http), "BlackHoleCluster");
}

#[test]
fn nothing_is_asked_of_redirected_bytes_that_no_chain_needs_to_know() {
    let made = resources(&case("captured"), "captured web-0.default");
    let listener = made.listeners.get("virtualInbound").unwrap();
    let listener = Listener::compile(listener).unwrap();
    let asked = |port: u16| {
        let local = SocketAddr::from(([10, 244, 1, 5], port));
        listener.inspection(local, CLIENT)
    };
    assert!(!asked(9000).waits());
    assert!(asked(8080).waits() && !asked(8080).http);
    assert!(asked(9001).waits());
    // Where plain bytes are let in, a server may speak first.
    let silent: Vec<u16> = [8080, 9000, 9001, 7777, 1234]
        .into_iter()
        .filter(|port| asked(*port).may_be_silent)
        .collect();
    assert_eq!(silent, [9000, 7777]);
}

/// What a connection to `address` gets: `requests`, the cluster that its bytes go to, `closed`;
/// and whether mutual TLS is ended for it.
fn connected(made: &Resources, address: &str, transport: Transport, alpn: &[&str]) -> String {
    let local: SocketAddr = address.parse().unwrap();
    let name = format!("{}_{}", local.ip(), local.port());
    let listener = Listener::compile(made.listeners.get(&name).unwrap()).unwrap();
    lead(&listener, local, transport, alpn)
}

fn lead(listener: &Listener, local: SocketAddr, transport: Transport, alpn: &[&str]) -> String {
    let facts = ConnFacts {
        local,
        remote: "127.0.0.1:40000".parse().unwrap(),
        transport,
        alpn,
        sni: Some("data.example"),
    };
    let Some(chain) = listener.chain(&facts) else {
        return "closed".into();
    };
    let ended = if chain.tls.is_some() { "mutual " } else { "" };
    match &chain.network {
        Network::Http(_) => format!("{ended}requests"),
        Network::Tcp(proxy) => format!("{ended}{}", proxy.cluster(|| 0).unwrap()),
    }
}

#[test]
fn bytes_of_a_declared_port_reach_their_service_whatever_they_are() {
    let made = resources(&case("tcp"), "sidecar client-0.default");
    for port in 6000..=6005 {
        let address = format!("127.7.1.11:{port}");
        let wanted = format!("outbound|{port}||data.default.svc.cluster.local");
        let check = |transport, alpn: &[&str]| {
            assert_eq!(connected(&made, &address, transport, alpn), wanted);
        };
        check(Transport::Raw, &[]);
        check(Transport::Raw, &["http/1.1"]);
        check(Transport::Tls, &["h2"]);
        assert!(made.clusters.contains_key(&wanted));
        // An application that speaks first is heard: nothing waits for the client's bytes.
        let listener = made.listeners.get(&address.replace(':', "_")).unwrap();
        let listener = Listener::compile(listener).unwrap();
        assert!(!listener.inspection(listener.address, CLIENT).waits());
    }
}

#[test]
fn a_port_that_declares_nothing_is_told_by_its_first_bytes() {
    let made = resources(&case("tcp"), "sidecar client-0.default");
    let of = |transport, alpn: &[&str]| connected(&made, "127.7.1.11:6006", transport, alpn);
    let bytes = "outbound|6006||data.default.svc.cluster.local";
    assert_eq!(of(Transport::Raw, &["http/1.1"]), "requests");
    assert_eq!(of(Transport::Raw, &["h2c"]), "requests");
    assert_eq!(of(Transport::Raw, &[]), bytes);
    assert_eq!(of(Transport::Tls, &["http/1.1"]), bytes);
}

#[test]
fn a_port_for_bytes_takes_the_connections_of_its_mode() {
    let made = resources(&case("tcp"), "sidecar server-0.default");
    let of = |port: u16, transport, alpn: &[&str]| {
        connected(&made, &format!("127.7.2.1:{port}"), transport, alpn)
    };
    let mesh = ["istio-peer-exchange", "istio"];
    let rows = [
        (
            8001,
            "mutual inbound|8001||",
            "inbound|8001||",
            "inbound|8001||",
        ),
        (
            8002,
            "mutual inbound|8002||",
            "mutual inbound|8002||",
            "closed",
        ),
        (8003, "inbound|8003||", "inbound|8003||", "inbound|8003||"),
    ];
    for (port, of_mesh, own_tls, plain) in rows {
        assert_eq!(of(port, Transport::Tls, &mesh), of_mesh);
        assert_eq!(of(port, Transport::Tls, &["h2"]), own_tls);
        assert_eq!(of(port, Transport::Raw, &[]), plain);
    }
}

#[test]
fn an_undeclared_port_takes_requests_and_bytes_in_its_mode() {
    let made = resources(&case("tcp"), "sidecar server-0.default");
    let of = |port: u16, transport, alpn: &[&str]| {
        connected(&made, &format!("127.7.2.1:{port}"), transport, alpn)
    };
    let (http, tcp) = (
        ["istio-h2", "istio", "h2"],
        ["istio-peer-exchange", "istio"],
    );
    let rows = [
        (
            8004,
            "mutual requests",
            "mutual inbound|8004||",
            "requests",
            "inbound|8004||",
        ),
        (
            8005,
            "mutual requests",
            "mutual inbound|8005||",
            "closed",
            "closed",
        ),
        (
            8006,
            "inbound|8006||",
            "inbound|8006||",
            "requests",
            "inbound|8006||",
        ),
    ];
    for (port, mesh_http, mesh_tcp, plain_http, plain) in rows {
        assert_eq!(of(port, Transport::Tls, &http), mesh_http);
        assert_eq!(of(port, Transport::Tls, &tcp), mesh_tcp);
        assert_eq!(of(port, Transport::Raw, &["http/1.1"]), plain_http);
        assert_eq!(of(port, Transport::Raw, &[]), plain);
    }
}

#[test]
fn an_application_that_speaks_first_is_not_kept_waiting() {
    let made = resources(&case("tcp"), "sidecar server-0.default");
    let of = |name: &str| Listener::compile(made.listeners.get(name).unwrap()).unwrap();
    let asked = |of: &Listener| of.inspection(of.address, CLIENT);
    let permissive = of("127.7.2.1_8001");
    assert_eq!(permissive.inspection_timeout, Some(Duration::from_secs(1)));
    assert!(asked(&permissive).may_be_silent);
    assert!(!asked(&of("127.7.2.1_8002")).may_be_silent);
    assert!(!asked(&of("127.7.2.1_8003")).waits());
}
