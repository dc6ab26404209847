//! Ports whose bytes are passed on, as pilot configures them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mesh_proto::envoy::envoy::config::listener::v3 as pb;
use mesh_proto::envoy::google::protobuf as wkt;
use mesh_runtime::Tasks;
use mesh_test::clock::now;
use mesh_test::pki::Authority;
use mesh_traffic::Listener;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::raw::exchange;
use crate::testing::{
    Mk, Proxy, free_address, mk_cluster, mk_config, mutual_tls, server_socket, table, tcp_filter,
    to_cluster,
};

const SERVER: &str = "spiffe://cluster.local/ns/default/sa/server";
const MESH_TCP: [&str; 2] = ["istio-peer-exchange", "istio"];

/// An application that greets whoever comes and says everything back.
async fn greeter() -> (SocketAddr, Tasks) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let tasks = Tasks::new(&prometheus::Registry::new());
    let own = tasks.clone();
    tasks.spawn("greeter", async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            own.spawn("greeted", async move {
                let (mut from, mut to) = stream.split();
                if to.write_all(b"hello").await.is_ok()
                    && tokio::io::copy(&mut from, &mut to).await.is_ok()
                {
                    // A peer that is gone by now does not mind.
                    let _gone = to.shutdown().await;
                }
            });
        }
    });
    (address, tasks)
}

fn chain(transport: &str, alpn: &[&str], filter: pb::Filter) -> pb::FilterChain {
    pb::FilterChain {
        filter_chain_match: Some(pb::FilterChainMatch {
            transport_protocol: transport.into(),
            application_protocols: alpn.iter().map(|&word| word.into()).collect(),
            ..Default::default()
        }),
        filters: vec![filter],
        ..Default::default()
    }
}

/// A PERMISSIVE port for bytes that waits for a ClientHello as long as it is told.
fn permissive(address: SocketAddr, patience: Duration) -> Listener {
    let mut mutual = chain("tls", &MESH_TCP, tcp_filter("app"));
    mutual.transport_socket = Some(server_socket(&["istio", "h2", "http/1.1"]));
    let chains = vec![
        mutual,
        chain("tls", &[], tcp_filter("app")),
        chain("raw_buffer", &[], tcp_filter("app")),
    ];
    let mut listener = Mk::default().with_chains_pb(address, chains);
    listener.listener_filters_timeout = Some(wkt::Duration {
        seconds: i64::try_from(patience.as_secs()).unwrap(),
        nanos: i32::try_from(patience.subsec_nanos()).unwrap(),
    });
    listener.continue_on_listener_filters_timeout = true;
    Listener::compile(&listener).unwrap()
}

/// A port that declares nothing: requests where the bytes are HTTP.
fn undeclared(address: SocketAddr) -> Listener {
    let http = Mk {
        routes: Some(table("any", vec![to_cluster("app")])),
        ..Mk::default()
    };
    let chains = vec![chain("raw_buffer", &["http/1.1", "h2c"], http.filter())];
    let mut listener = http.with_chains_pb(address, chains);
    listener.default_filter_chain = Some(pb::FilterChain {
        filters: vec![tcp_filter("app")],
        ..Default::default()
    });
    Listener::compile(&listener).unwrap()
}

fn proxy(listener: Listener, app: SocketAddr, authority: &Authority) -> Proxy {
    let config = mk_config(vec![listener], Vec::new(), vec![mk_cluster("app", &[app])]);
    let live = authority.live(SERVER, Arc::new(mesh_runtime::SystemClock));
    Proxy::start(config, Some(live))
}

async fn heard(stream: &mut TcpStream, length: usize) -> Vec<u8> {
    let mut got = vec![0; length];
    stream.read_exact(&mut got).await.unwrap();
    got
}

#[tokio::test]
async fn a_server_that_speaks_first_is_heard_where_nobody_says_anything() {
    let (app, _tasks) = greeter().await;
    let root = Authority::root("cluster.local", now());
    let address = free_address();
    let _proxy = proxy(permissive(address, Duration::from_millis(50)), app, &root);
    let mut client = TcpStream::connect(address).await.unwrap();
    assert_eq!(heard(&mut client, 5).await, b"hello");
    client.write_all(b"P").await.unwrap();
    assert_eq!(heard(&mut client, 1).await, b"P");
}

#[tokio::test]
async fn a_client_with_nothing_to_say_still_hears_the_server() {
    let (app, _tasks) = greeter().await;
    let root = Authority::root("cluster.local", now());
    let address = free_address();
    let _proxy = proxy(permissive(address, Duration::from_secs(3600)), app, &root);
    let mut client = TcpStream::connect(address).await.unwrap();
    client.shutdown().await.unwrap();
    let mut all = Vec::new();
    client.read_to_end(&mut all).await.unwrap();
    assert_eq!(all, b"hello");
}

#[tokio::test]
async fn a_permissive_port_passes_on_plain_bytes_and_tls_of_the_application() {
    let (app, _tasks) = greeter().await;
    let root = Authority::root("cluster.local", now());
    let address = free_address();
    let _proxy = proxy(permissive(address, Duration::from_secs(3600)), app, &root);
    let config = mesh_test::tls::careless_client(None, &[b"h2"]);
    let name = "db.example".try_into().unwrap();
    let mut session = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let mut hello = Vec::new();
    session.write_tls(&mut hello).unwrap();
    for said in [&hello[..], b"P", b"\0\x01\x02"] {
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(said).await.unwrap();
        assert_eq!(heard(&mut client, 5).await, b"hello");
        assert_eq!(heard(&mut client, said.len()).await, said);
    }
}

#[tokio::test]
async fn bytes_pass_between_two_proxies_in_mutual_tls() {
    let (app, _tasks) = greeter().await;
    let root = Authority::root("cluster.local", now());
    let (entry, inner) = (free_address(), free_address());
    let patience = Duration::from_secs(3600);
    let _server_side = proxy(permissive(inner, patience), app, &root);
    let mut peer = mk_cluster("app", &[inner]);
    peer.transport = mutual_tls(SERVER);
    let listener = Mk::default().tcp_listener(entry, "app");
    let live = root.live(SERVER, Arc::new(mesh_runtime::SystemClock));
    let config = mk_config(vec![listener], Vec::new(), vec![peer]);
    let _client_side = Proxy::start(config, Some(live));

    let client = TcpStream::connect(entry).await.unwrap();
    let bulk: Vec<u8> = (0..3_000_000_u32).map(|at| at.to_be_bytes()[3]).collect();
    let (mut from, mut to) = client.into_split();
    let send = async {
        to.write_all(&bulk).await.unwrap();
        to.shutdown().await.unwrap();
    };
    let mut all = Vec::new();
    let ((), read) = tokio::join!(send, from.read_to_end(&mut all));
    read.unwrap();
    assert_eq!(all.split_at(5).0, b"hello");
    assert!(all.split_at(5).1 == bulk);
}

#[tokio::test]
async fn an_undeclared_port_serves_requests_and_bytes() {
    let root = Authority::root("cluster.local", now());
    let (app, _tasks) = greeter().await;
    let address = free_address();
    let _proxy = proxy(undeclared(address), app, &root);
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"GET key\r\n").await.unwrap();
    assert_eq!(heard(&mut client, 14).await, b"helloGET key\r\n");

    let app = mesh_test::origin::Origin::fixed("ok").await;
    let address = free_address();
    let _proxy = proxy(undeclared(address), app.address(), &root);
    let request = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let answer = exchange(address, request).await;
    assert!(answer.contains("server: istio-envoy"), "{answer}");
}
