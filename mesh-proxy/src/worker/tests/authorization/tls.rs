//! What a service learns of a client that has proved who it is.

use mesh_pki::live::LiveIdentity;
use mesh_test::clock::now;
use mesh_test::pki::Authority;

use super::*;
use crate::testing::mutual_tls;

const CLIENT: &str = "spiffe://cluster.local/ns/default/sa/client";
const SERVER: &str = "spiffe://cluster.local/ns/default/sa/server";

/// A proxy that lets in by mutual TLS alone, and shows the service who it is.
fn inner(app: SocketAddr, guard: &Guard, identity: LiveIdentity) -> (Proxy, SocketAddr) {
    let filter = pb::ExtAuthz {
        include_peer_certificate: true,
        include_tls_session: true,
        ..filter(PATIENT)
    };
    let listener = Mk {
        inbound: true,
        mutual_tls: true,
        plaintext: false,
        routes: Some(table("inbound", vec![to_cluster("app")])),
        filters: vec![(FILTER, pack(&filter))],
        ..Mk::default()
    };
    let at = free_address();
    let clusters = vec![mk_cluster("app", &[app]), guard.cluster()];
    let config = mk_config(vec![listener.listener(at)], Vec::new(), clusters);
    (Proxy::start(config, Some(identity)), at)
}

#[tokio::test]
async fn the_service_learns_who_the_client_is() {
    let root = Authority::root("cluster.local", now());
    let live = |id: &str| root.live(id, Arc::new(mesh_runtime::SystemClock));
    let (app, guard) = (mirror().await, Guard::start().await);
    let (_inner, to) = inner(app.address(), &guard, live(SERVER));
    let mut peer = mk_cluster("peer", &[to]);
    peer.transport = mutual_tls(SERVER);
    let at = free_address();
    let listener = Mk {
        routes: Some(table("outbound", vec![to_cluster("peer")])),
        ..Mk::default()
    };
    let config = mk_config(vec![listener.listener(at)], Vec::new(), vec![peer]);
    let _outer = Proxy::start(config, Some(live(CLIENT)));
    let answer = get(&format!("http://{at}/"), &[(USER, "peer")]).await;
    let said = text(&answer.unwrap());
    let expected = format!("/ 7,{CLIENT} {SERVER} ");
    assert!(said.starts_with(&expected), "{said}");
    assert!(
        said.contains(" -----BEGIN%20CERTIFICATE-----%0AMII"),
        "{said}"
    );
    assert!(
        said.contains("%0A-----END%20CERTIFICATE-----%0A,-,- 0"),
        "{said}"
    );
}
