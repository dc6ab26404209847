//! Mutual TLS between two proxies, and who is refused.

use std::sync::Arc;

use mesh_pki::live::LiveIdentity;
use mesh_test::client::{Client, Http, get};
use mesh_test::clock::now;
use mesh_test::origin::Origin;
use mesh_test::pki::Authority;
use mesh_test::tls::careless_client;
use mesh_traffic::cluster::UpstreamProtocol;

use super::raw::exchange;
use crate::testing::{
    Mk, Proxy, free_address, mk_cluster, mk_config, mutual_tls, table, to_cluster,
};

const CLIENT: &str = "spiffe://cluster.local/ns/default/sa/client";
const SERVER: &str = "spiffe://cluster.local/ns/default/sa/server";

fn live(authority: &Authority, id: &str) -> LiveIdentity {
    authority.live(id, Arc::new(mesh_runtime::SystemClock))
}

fn inbound(plaintext: bool) -> Mk {
    let routes = Some(table("inbound", vec![to_cluster("app")]));
    Mk {
        inbound: true,
        mutual_tls: true,
        plaintext,
        routes,
        ..Mk::default()
    }
}

fn outbound() -> Mk {
    Mk {
        routes: Some(table("outbound", vec![to_cluster("peer")])),
        ..Mk::default()
    }
}

/// client -> outbound proxy -> mutual TLS -> inbound proxy -> app
struct Pair {
    _client_side: Proxy,
    _server_side: Proxy,
    entry: std::net::SocketAddr,
    inner: std::net::SocketAddr,
}

impl Pair {
    fn start(
        app: std::net::SocketAddr,
        app_speaks: UpstreamProtocol,
        identities: (LiveIdentity, LiveIdentity),
        expected: &str,
    ) -> Self {
        let (entry, inner) = (free_address(), free_address());
        let mut to_app = mk_cluster("app", &[app]);
        to_app.protocol = app_speaks;
        let config = mk_config(
            vec![inbound(false).listener(inner)],
            Vec::new(),
            vec![to_app],
        );
        let server_side = Proxy::start(config, Some(identities.1));
        let mut peer = mk_cluster("peer", &[inner]);
        peer.transport = mutual_tls(expected);
        let config = mk_config(vec![outbound().listener(entry)], Vec::new(), vec![peer]);
        let client_side = Proxy::start(config, Some(identities.0));
        Self {
            _client_side: client_side,
            _server_side: server_side,
            entry,
            inner,
        }
    }
}

#[tokio::test]
async fn two_proxies_speak_http2_over_mutual_tls() {
    let root = Authority::root("cluster.local", now());
    let app = Origin::start(|request| {
        let header = |name: &str| {
            let value = request.headers().get(name);
            value.map_or("", |value| value.to_str().unwrap()).to_owned()
        };
        let told = format!(
            "{} {} {:?}",
            header("x-forwarded-client-cert"),
            header("x-envoy-peer-metadata"),
            request.version()
        );
        http::Response::new(told.into())
    })
    .await;
    let identities = (live(&root, CLIENT), live(&root, SERVER));
    let pair = Pair::start(app.address(), UpstreamProtocol::Http1, identities, SERVER);
    let mut client = Client::plain(pair.entry, Http::One).await.unwrap();
    for _ in 0..10 {
        let answer = client
            .get(&format!("http://{}/", pair.entry), &[])
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
        let told = String::from_utf8_lossy(answer.body()).into_owned();
        assert!(told.starts_with(&format!("By={SERVER};Hash=")), "{told}");
        assert!(told.ends_with(&format!("URI={CLIENT}  HTTP/1.1")), "{told}");
        assert!(!answer.headers().contains_key("x-envoy-peer-metadata"));
    }
}

#[tokio::test]
async fn a_grpc_call_keeps_its_trailers_through_two_proxies() {
    let app = super::stream::grpc_origin().await;
    let root = Authority::root("cluster.local", now());
    let identities = (live(&root, CLIENT), live(&root, SERVER));
    let pair = Pair::start(app.0, UpstreamProtocol::Http2, identities, SERVER);
    let (status, trailers) = super::stream::grpc_call(pair.entry).await;
    assert_eq!((status, trailers.as_deref()), (200, Some("7")));
}

#[tokio::test]
async fn a_server_of_another_identity_is_not_spoken_to() {
    let root = Authority::root("cluster.local", now());
    let app = Origin::fixed("secret").await;
    let identities = (live(&root, CLIENT), live(&root, SERVER));
    let other = "spiffe://cluster.local/ns/default/sa/other";
    let pair = Pair::start(app.address(), UpstreamProtocol::Http1, identities, other);
    let answer = get(&format!("http://{}/", pair.entry), &[]).await.unwrap();
    assert_eq!(answer.status(), 503);
    let body = String::from_utf8_lossy(answer.body()).into_owned();
    assert!(
        body.contains("connection failure") && body.contains(SERVER),
        "{body}"
    );
    assert_eq!(app.requests(), 0);
}

#[tokio::test]
async fn a_client_of_another_root_is_refused() {
    let (root, foreign) = (
        Authority::root("cluster.local", now()),
        Authority::root("cluster.local", now()),
    );
    let app = Origin::fixed("secret").await;
    let identities = (live(&foreign, CLIENT), live(&root, SERVER));
    let pair = Pair::start(app.address(), UpstreamProtocol::Http1, identities, SERVER);
    assert_eq!(
        get(&format!("http://{}/", pair.entry), &[])
            .await
            .unwrap()
            .status(),
        503
    );
    let config = careless_client(Some(&foreign.leaf(CLIENT)), &[b"h2"]);
    let name = "app.example".try_into().unwrap();
    let refused = match Box::pin(Client::tls(pair.inner, name, config, Http::Two)).await {
        Ok(mut client) => client.get("http://app/", &[]).await.is_err(),
        Err(_) => true,
    };
    assert!(refused);
    assert_eq!(app.requests(), 0);
}

#[tokio::test]
async fn strict_refuses_plaintext_and_permissive_takes_it() {
    let root = Authority::root("cluster.local", now());
    let app = Origin::fixed("ok").await;
    for (permissive, expect) in [(false, ""), (true, "HTTP/1.1 200 OK")] {
        let address = free_address();
        let cluster = mk_cluster("app", &[app.address()]);
        let listener = inbound(permissive).listener(address);
        let config = mk_config(vec![listener], Vec::new(), vec![cluster]);
        let _proxy = Proxy::start(config, Some(live(&root, SERVER)));
        let request = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
        let answer = exchange(address, request).await;
        assert_eq!(
            answer.lines().next().unwrap_or_default(),
            expect,
            "{permissive}"
        );
        let config = careless_client(Some(&root.leaf(CLIENT)), &[b"h2"]);
        let name = "app.example".try_into().unwrap();
        let connecting = Box::pin(Client::tls(address, name, config, Http::Two));
        let mut client = connecting.await.unwrap();
        assert_eq!(client.get("http://app/", &[]).await.unwrap().status(), 200);
    }
}

#[tokio::test]
async fn a_peer_moves_on_when_the_application_behind_a_proxy_is_away() {
    let root = Authority::root("cluster.local", now());
    let app = Origin::fixed("ok").await;
    let mut peers = Vec::new();
    let mut proxies = Vec::new();
    for app in [free_address(), app.address()] {
        let inner = free_address();
        let listener = inbound(false).listener(inner);
        let config = mk_config(vec![listener], Vec::new(), vec![mk_cluster("app", &[app])]);
        proxies.push(Proxy::start(config, Some(live(&root, SERVER))));
        peers.push(inner);
    }
    let entry = free_address();
    let mut peer = mk_cluster("peer", &peers);
    peer.transport = mutual_tls(SERVER);
    let config = mk_config(vec![outbound().listener(entry)], Vec::new(), vec![peer]);
    let _client_side = Proxy::start(config, Some(live(&root, CLIENT)));
    let mut client = Client::plain(entry, Http::One).await.unwrap();
    for _ in 0..10 {
        let answer = client
            .post(&format!("http://{entry}/"), &[], "body")
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
    }
}

#[tokio::test]
async fn a_renewed_certificate_touches_no_connection() {
    let root = Authority::root("cluster.local", now());
    let app = Origin::fixed("ok").await;
    let (client_id, server_id) = (live(&root, CLIENT), live(&root, SERVER));
    let identities = (client_id.clone(), server_id.clone());
    let pair = Pair::start(app.address(), UpstreamProtocol::Http1, identities, SERVER);
    let mut client = Client::plain(pair.entry, Http::One).await.unwrap();
    for _ in 0..10 {
        let uri = format!("http://{}/", pair.entry);
        assert_eq!(client.get(&uri, &[]).await.unwrap().status(), 200);
        client_id.replace((*live(&root, CLIENT).current()).clone());
        server_id.replace((*live(&root, SERVER).current()).clone());
    }
}
