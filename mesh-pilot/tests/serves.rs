//! The discovery server over real sockets and mutual TLS, asked by a real xDS client.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that says what is wrong by failing"
)]

#[path = "support/server.rs"]
mod server;
#[path = "support/world.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod world;

use mesh_xds::Kind;
use server::{Pilot, pod, virtual_service};

const ACCOUNT: &str = "spiffe://cluster.local/ns/default/sa/client";

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_is_sent_its_configuration_and_every_change() {
    let pilot = Pilot::start().await;
    pilot.write("cluster", "client", &pod("client", "client"));
    let proxy = pilot.connect("client.default", ACCOUNT);
    let cluster = "outbound|80||client.default.svc.cluster.local";
    proxy.holds(Kind::Cluster, cluster).await;
    proxy.holds(Kind::Endpoint, cluster).await;
    proxy.holds(Kind::Listener, "127.0.0.1_15002").await;
    let before = proxy.holds(Kind::Route, "http_proxy").await;
    pilot.in_force(1).await;

    pilot.write("config", "vs", &virtual_service("client", "3s"));
    let after = proxy.holds_other(Kind::Route, "http_proxy", &before).await;
    pilot.in_force(1).await;

    // Another object that says nothing to this proxy's routes changes none of its resources.
    pilot.write("cluster", "other", &pod("other", "other"));
    proxy
        .holds(
            Kind::Cluster,
            "outbound|80||other.default.svc.cluster.local",
        )
        .await;
    pilot.write("config", "vs", &virtual_service("client", "3s"));
    pilot.in_force(1).await;
    proxy.holds_other(Kind::Route, "http_proxy", &after).await; // it has the other's host now
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_is_refused_as_somebody_else() {
    let pilot = Pilot::start().await;
    pilot.write("cluster", "client", &pod("client", "client"));
    pilot.write("cluster", "thief", &pod("thief", "thief"));
    pilot.read("Pod", "thief").await;
    let thief = pilot.connect(
        "client.default",
        "spiffe://cluster.local/ns/default/sa/thief",
    );
    thief.refused("thief claims to run as default/client").await;
    assert_eq!(pilot.proxies(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_is_early_is_served_when_its_pod_is_known() {
    let pilot = Pilot::start().await;
    pilot.write("cluster", "other", &pod("other", "other"));
    pilot.read("Pod", "other").await;
    let early = pilot.connect("client.default", ACCOUNT);
    early.refused("pod default/client is not known yet").await;
    pilot.write("cluster", "client", &pod("client", "client"));
    early.holds(Kind::Listener, "127.0.0.1_15002").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_object_is_set_aside_and_its_neighbours_go_out() {
    let pilot = Pilot::start().await;
    pilot.write("cluster", "client", &pod("client", "client"));
    let proxy = pilot.connect("client.default", ACCOUNT);
    let before = proxy.holds(Kind::Route, "http_proxy").await;
    let bad = virtual_service("client", "3s").replace("timeout", "timeuot");
    pilot.write("config", "bad", &bad);
    pilot.write("config", "good", &virtual_service("outside.example", "1s"));
    let after = proxy.holds_other(Kind::Route, "http_proxy", &before).await;
    pilot.in_force(1).await;
    assert!(server::hosts(&after).contains(&"outside.example:80".to_owned()));
    let (state, messages) = pilot.object("VirtualService", "client").unwrap();
    assert_eq!(state, "SetAside");
    assert!(messages.contains("timeuot"), "{messages}");
}
