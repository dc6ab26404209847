//! Changes and the end, seen by connections that are open meanwhile.

use std::sync::Arc;
use std::time::Duration;

use mesh_test::client::{Client, Http};
use mesh_test::clock::now;
use mesh_test::eventually_async;
use mesh_test::origin::Origin;
use mesh_test::pki::Authority;
use mesh_traffic::Config;

use crate::testing::{Mk, Proxy, free_address, mk_cluster, mk_config, table, to_cluster};

fn config(listener: Mk, address: std::net::SocketAddr, app: &Origin) -> Config {
    let listener = listener.listener(address);
    mk_config(
        vec![listener],
        Vec::new(),
        vec![mk_cluster("app", &[app.address()])],
    )
}

fn plain() -> Mk {
    Mk {
        routes: Some(table("t", vec![to_cluster("app")])),
        ..Mk::default()
    }
}

#[tokio::test]
async fn new_routes_reach_an_open_connection() {
    let (one, two) = (Origin::fixed("one").await, Origin::fixed("two").await);
    let address = free_address();
    let mut proxy = Proxy::start(config(plain(), address, &one), None);
    let mut client = Client::plain(address, Http::One).await.unwrap();
    let uri = format!("http://{address}/");
    assert_eq!(client.get(&uri, &[]).await.unwrap().body().as_ref(), b"one");
    proxy.apply(config(plain(), address, &two));
    assert_eq!(client.get(&uri, &[]).await.unwrap().body().as_ref(), b"two");
}

#[tokio::test]
async fn a_replaced_listener_answers_once_more_and_says_close() {
    let app = Origin::fixed("ok").await;
    let address = free_address();
    let root = Authority::root("cluster.local", now());
    let identity = root.live(
        "spiffe://cluster.local/ns/default/sa/own",
        Arc::new(mesh_runtime::SystemClock),
    );
    let mut proxy = Proxy::start(config(plain(), address, &app), Some(identity));
    let mut client = Client::plain(address, Http::One).await.unwrap();
    let uri = format!("http://{address}/");
    assert!(
        !client
            .get(&uri, &[])
            .await
            .unwrap()
            .headers()
            .contains_key("connection")
    );
    proxy.apply(config(
        Mk {
            mutual_tls: true,
            ..plain()
        },
        address,
        &app,
    ));
    let answer = client.get(&uri, &[]).await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["connection"]),
        (200, &"close".parse().unwrap())
    );
    let mut next = Client::plain(address, Http::One).await.unwrap();
    assert!(
        !next
            .get(&uri, &[])
            .await
            .unwrap()
            .headers()
            .contains_key("connection")
    );
}

#[tokio::test]
async fn a_removed_listener_takes_nobody_and_finishes_what_it_has() {
    let app = Origin::fixed("ok").await;
    let address = free_address();
    let mut proxy = Proxy::start(config(plain(), address, &app), None);
    let mut client = Client::plain(address, Http::One).await.unwrap();
    let uri = format!("http://{address}/");
    assert_eq!(client.get(&uri, &[]).await.unwrap().status(), 200);
    proxy.listeners.apply(&Config::default()).unwrap();
    assert_eq!(client.get(&uri, &[]).await.unwrap().status(), 200);
    eventually_async("the socket to be closed", || async {
        match Client::plain(address, Http::One).await {
            Ok(_) => Err("still open"),
            Err(_) => Ok(()),
        }
    })
    .await;
}

#[tokio::test]
async fn the_end_waits_for_requests_under_way() {
    let app = Origin::start(|_| http::Response::new("ok".into())).await;
    let address = free_address();
    let proxy = Proxy::start(config(plain(), address, &app), None);
    let mut one = Client::plain(address, Http::One).await.unwrap();
    let mut two = Client::plain(address, Http::Two).await.unwrap();
    let uri = format!("http://{address}/");
    for client in [&mut one, &mut two] {
        assert_eq!(client.get(&uri, &[]).await.unwrap().status(), 200);
    }
    proxy.draining.cancel();
    assert_eq!(
        one.get(&uri, &[]).await.unwrap().headers()["connection"],
        "close"
    );
    assert!(proxy.emptied(Duration::from_secs(5)).await);
}
