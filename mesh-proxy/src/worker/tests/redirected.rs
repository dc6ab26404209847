//! Connections that were redirected to us: whoever takes them, where they go, and from where.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use mesh_proto::envoy::envoy::config::listener::v3 as pb;
use mesh_proto::envoy::google::protobuf::BoolValue;
use mesh_runtime::Tasks;
use mesh_test::client::{Client, Http, get};
use mesh_test::eventually_async;
use mesh_test::origin::Origin;
use mesh_traffic::cluster::{Discovery, UpstreamProtocol};
use mesh_traffic::{Cluster, Config, Listener};
use parking_lot::Mutex;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use super::raw::exchange;
use crate::http::mirror::CopyEnd;
use crate::http::observe::{End, Observer, Unobserved};
use crate::http::serve::Exchange;
use crate::testing::{
    Mk, Proxy, free_address, mk_cluster, mk_config, original_destination, table, tcp_filter,
    to_cluster,
};

/// Where an application wanted to go: an address that nobody has.
const WANTED: &str = "10.96.0.9:9080";

/// The cluster of wherever a client wanted to go.
fn elsewhere(from: &[&str]) -> Cluster {
    Cluster {
        discovery: Discovery::OriginalDst,
        sources: from.iter().map(|ip| ip.parse().unwrap()).collect(),
        protocol: UpstreamProtocol::Downstream,
        ..mk_cluster("elsewhere", &[])
    }
}

/// A listener to which connections are redirected, which passes their bytes on.
fn outbound(address: SocketAddr, cluster: &str) -> Listener {
    let chain = pb::FilterChain {
        filters: vec![tcp_filter(cluster)],
        ..Default::default()
    };
    let mut pb = Mk::default().with_chains_pb(address, vec![chain]);
    pb.name = "virtualOutbound".into();
    pb.use_original_dst = Some(BoolValue { value: true });
    Listener::compile(&pb).unwrap()
}

/// A listener that binds nothing and serves requests.
fn requests(address: &str, cluster: &str) -> Listener {
    let mk = Mk {
        routes: Some(table("routes", vec![to_cluster(cluster)])),
        ..Mk::default()
    };
    let chain = pb::FilterChain {
        filters: vec![mk.filter()],
        ..Default::default()
    };
    let mut pb = mk.with_chains_pb(address.parse().unwrap(), vec![chain]);
    pb.name = address.into();
    pb.bind_to_port = Some(BoolValue { value: false });
    Listener::compile(&pb).unwrap()
}

fn proxy(config: Config, destination: SocketAddr) -> Proxy {
    Proxy::redirected(config, destination, || Rc::new(Unobserved))
}

async fn asked(address: SocketAddr) -> (u16, String) {
    let answer = get(&format!("http://{address}/"), &[]).await.unwrap();
    let body = String::from_utf8(answer.body().to_vec()).unwrap();
    (answer.status().as_u16(), body)
}

#[tokio::test]
async fn a_redirected_request_is_taken_by_the_listener_of_its_destination() {
    let (one, all) = (Origin::fixed("one").await, Origin::fixed("all").await);
    let address = free_address();
    let clusters = || {
        vec![
            mk_cluster("nobody", &[]),
            mk_cluster("one", &[one.address()]),
            mk_cluster("all", &[all.address()]),
        ]
    };
    let listeners = || vec![outbound(address, "nobody"), requests("0.0.0.0:9080", "all")];
    let config = mk_config(listeners(), Vec::new(), clusters());
    let mut proxy = proxy(config, WANTED.parse().unwrap());
    assert_eq!(asked(address).await, (200, "all".into()));
    // One that has the address comes to be, and goes again.
    let mut with_own = listeners();
    with_own.push(requests(WANTED, "one"));
    proxy.apply(mk_config(with_own, Vec::new(), clusters()));
    assert_eq!(asked(address).await, (200, "one".into()));
    proxy.apply(mk_config(listeners(), Vec::new(), clusters()));
    assert_eq!(asked(address).await, (200, "all".into()));
}

#[tokio::test]
async fn what_no_listener_takes_goes_where_it_was_going() {
    let app = Origin::fixed("outside").await;
    let address = free_address();
    let listeners = vec![outbound(address, "elsewhere")];
    let config = mk_config(listeners, Vec::new(), vec![elsewhere(&[])]);
    let _proxy = proxy(config, app.address());
    let request = b"GET / HTTP/1.1\r\nhost: outside\r\nconnection: close\r\n\r\n";
    let answer = exchange(address, request).await;
    assert!(answer.ends_with("outside"), "{answer}");
    assert!(!answer.contains("istio-envoy"), "{answer}");
}

#[tokio::test]
async fn requests_to_hosts_that_nobody_knows_share_connections_to_where_they_were_going() {
    let app = Origin::fixed("outside").await;
    let address = free_address();
    let every = format!("0.0.0.0:{}", app.address().port());
    let listeners = vec![
        outbound(address, "elsewhere"),
        requests(&every, "elsewhere"),
    ];
    let config = mk_config(listeners, Vec::new(), vec![elsewhere(&[])]);
    let _proxy = proxy(config, app.address());
    for http in [Http::One, Http::Two] {
        let mut client = Client::plain(address, http).await.unwrap();
        for _ in 0..10 {
            let answer = client.get("http://outside/", &[]).await.unwrap();
            assert_eq!(answer.body().as_ref(), b"outside");
        }
    }
    // Each as its client speaks, and another one where a request came too soon.
    assert!(app.connections() <= 4, "{}", app.connections());
}

#[tokio::test]
async fn an_address_where_nobody_is_fails_its_requests() {
    let nobody = free_address();
    let address = free_address();
    let every = format!("0.0.0.0:{}", nobody.port());
    let listeners = vec![
        outbound(address, "elsewhere"),
        requests(&every, "elsewhere"),
    ];
    let config = mk_config(listeners, Vec::new(), vec![elsewhere(&[])]);
    let _http = proxy(config, nobody);
    assert_eq!(asked(address).await.0, 503);

    let address = free_address();
    let listeners = vec![outbound(address, "elsewhere")];
    let config = mk_config(listeners, Vec::new(), vec![elsewhere(&[])]);
    let _bytes = proxy(config, nobody);
    assert_eq!(exchange(address, b"hello").await, "");
}

/// An application that tells its clients where they call from.
async fn mirror() -> (SocketAddr, Tasks) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let tasks = Tasks::new(&prometheus::Registry::new());
    tasks.spawn("mirror", async move {
        while let Ok((mut stream, peer)) = listener.accept().await {
            let said = format!(
                "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{}",
                peer.ip().to_string().len(),
                peer.ip()
            );
            stream.write_all(said.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
        }
    });
    (address, tasks)
}

#[tokio::test]
async fn a_workload_is_called_from_the_address_that_is_not_redirected() {
    let (app, _tasks) = mirror().await;
    let (bytes, http) = (free_address(), free_address());
    let from = &["127.0.0.6", "::6"];
    let config = mk_config(
        vec![outbound(bytes, "elsewhere")],
        Vec::new(),
        vec![elsewhere(from)],
    );
    let _bytes = proxy(config, app);
    let answer = exchange(bytes, b"GET / HTTP/1.1\r\nhost: app\r\n\r\n").await;
    assert!(answer.ends_with("127.0.0.6"), "{answer}");

    let every = format!("0.0.0.0:{}", app.port());
    let listeners = vec![outbound(http, "elsewhere"), requests(&every, "elsewhere")];
    let config = mk_config(listeners, Vec::new(), vec![elsewhere(from)]);
    let _http = proxy(config, app);
    assert_eq!(asked(http).await, (200, "127.0.0.6".into()));
}

/// Remembers why connections were refused.
#[derive(Clone, Default)]
struct Refusals(Arc<Mutex<Vec<&'static str>>>);

impl Observer for Refusals {
    fn request_ended(&self, _: &Exchange, _: &End) {}

    fn copy_ended(&self, _: CopyEnd) {}

    fn connection_refused(&self, reason: &'static str) {
        self.0.lock().push(reason);
    }
}

#[tokio::test]
async fn a_connection_to_the_proxy_itself_is_refused_and_counted() {
    let refusals = Refusals::default();
    let seen = refusals.clone();
    let address = free_address();
    let config = mk_config(
        vec![outbound(address, "elsewhere")],
        Vec::new(),
        vec![elsewhere(&[])],
    );
    // Nothing was redirected here: either the kernel says so, or it knows of no such connection.
    let _proxy = Proxy::observed(config, None, move || Rc::new(refusals.clone()));
    assert_eq!(exchange(address, b"hello").await, "");
    // The client may see the end before it is counted.
    eventually_async("the refusal is counted", async || {
        let seen = seen.0.lock().clone();
        if seen == ["own_port"] {
            Ok(())
        } else {
            Err(seen)
        }
    })
    .await;
}

#[tokio::test]
async fn chains_of_inbound_connections_are_chosen_by_the_port_that_was_called() {
    let (app, other) = (Origin::fixed("app").await, Origin::fixed("other").await);
    let mk = Mk {
        inbound: true,
        routes: Some(table("routes", vec![to_cluster("app")])),
        ..Mk::default()
    };
    let chain = |port: u32, filter| pb::FilterChain {
        filter_chain_match: Some(pb::FilterChainMatch {
            destination_port: (port > 0)
                .then_some(mesh_proto::envoy::google::protobuf::UInt32Value { value: port }),
            ..Default::default()
        }),
        filters: vec![filter],
        ..Default::default()
    };
    let config = |address| {
        let chains = vec![chain(8080, mk.filter()), chain(0, tcp_filter("other"))];
        let mut pb = mk.with_chains_pb(address, chains);
        pb.listener_filters = vec![original_destination()];
        let clusters = vec![
            mk_cluster("app", &[app.address()]),
            mk_cluster("other", &[other.address()]),
        ];
        mk_config(vec![Listener::compile(&pb).unwrap()], Vec::new(), clusters)
    };
    for (wanted, who) in [("10.244.0.5:8080", "app"), ("10.244.0.5:8081", "other")] {
        let address = free_address();
        let _proxy = proxy(config(address), wanted.parse().unwrap());
        assert_eq!(asked(address).await, (200, who.into()), "{wanted}");
    }
}
