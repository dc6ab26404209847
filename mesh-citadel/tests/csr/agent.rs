//! The agent against the real citadel.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mesh_pki::live::LiveIdentity;
use mesh_pki::tls::{ClientAuth, Expect, TrustPolicy, client_config, server_config};
use mesh_runtime::Tasks;
use mesh_test::pki::Authority;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector, client::TlsStream};

use super::house::{House, trust_domain, until};

fn tasks() -> Tasks {
    Tasks::new(&prometheus::Registry::new())
}

#[tokio::test]
async fn an_agent_gets_the_identity_of_its_account() {
    let house = House::open().await;
    house.admit("reviews");
    let (live, status) = house.agent("reviews", &tasks()).await;
    let identity = live.current();
    assert_eq!(*identity.spiffe_id(), house.settings("reviews").identity());
    assert_eq!(status.borrow().not_after, identity.not_after());
    assert_eq!(identity.bundle().to_pem(), house.roots());
}

#[tokio::test]
async fn an_agent_shows_what_is_between_it_and_the_root() {
    let root = Authority::root("cluster.local", mesh_test::clock::now());
    let above = root.intermediate("cluster.local", true);
    let signer = above.intermediate("cluster.local", true);
    let plug = |ca: &Path| {
        std::fs::write(ca.join("ca-cert.pem"), signer.pem()).unwrap();
        std::fs::write(ca.join("cert-chain.pem"), signer.pem() + &above.pem()).unwrap();
        std::fs::write(ca.join("root-cert.pem"), root.pem()).unwrap();
        let key = ca.join("ca-key.pem");
        std::fs::write(&key, signer.key_pem()).unwrap();
        std::fs::set_permissions(key, std::fs::Permissions::from_mode(0o600)).unwrap();
    };
    let house = House::with_ca(plug).await;
    house.admit("reviews");
    let tasks = tasks();
    let (live, _status) = house.agent("reviews", &tasks).await;
    let identity = live.current();
    let [_leaf, first, second] = identity.chain() else {
        panic!("{:?}", identity.chain().len());
    };
    assert_eq!([first, second], [signer.der(), above.der()]);
    assert_eq!(identity.bundle().to_pem(), house.roots());
    // A peer that knows the root alone believes it.
    let address = echo(&live, &tasks).await;
    exchange(&mut dial(&live, address).await).await;
}

#[tokio::test]
async fn an_agent_waits_for_its_token_to_be_accepted() {
    let house = House::open().await;
    let tasks = tasks();
    house.hand_out("reviews");
    let start = house.agent("reviews", &tasks);
    let admit = async {
        mesh_test::eventually_async("the agent is refused", || async {
            let metrics = house.metrics().await;
            let refused = metrics
                .lines()
                .any(|line| line == "citadel_server_authentication_failure_count 1");
            if refused { Ok(()) } else { Err(metrics) }
        })
        .await;
        house.admit("reviews");
    };
    let ((live, _), ()) = tokio::join!(start, admit);
    assert_eq!(
        *live.current().spiffe_id(),
        house.settings("reviews").identity()
    );
}

/// A server that echoes bytes over TLS with a live identity.
async fn echo(live: &LiveIdentity, tasks: &Tasks) -> std::net::SocketAddr {
    let policy = TrustPolicy {
        trust_domain: trust_domain(),
    };
    let config = server_config(live, policy, ClientAuth::Required, &[]).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let inner = tasks.clone();
    tasks.spawn("echo", async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            inner.spawn("echo connection", async move {
                let Ok(stream) = acceptor.accept(stream).await else {
                    return;
                };
                let (mut from, mut to) = tokio::io::split(stream);
                let _copied = tokio::io::copy(&mut from, &mut to).await;
            });
        }
    });
    address
}

async fn dial(live: &LiveIdentity, address: std::net::SocketAddr) -> TlsStream<TcpStream> {
    let expect = Expect::TrustDomain(trust_domain());
    let config = client_config(live, expect, &[]).unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    let name = address.ip().into();
    let connector = TlsConnector::from(Arc::new(config));
    connector.connect(name, stream).await.unwrap()
}

async fn exchange(stream: &mut TlsStream<TcpStream>) {
    let mut answer = [0; 4];
    stream.write_all(b"ping").await.unwrap();
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"ping");
}

fn server_serial(stream: &TlsStream<TcpStream>) -> String {
    let chain = stream.get_ref().1.peer_certificates().unwrap();
    mesh_pki::chain::facts(&chain[0]).unwrap().serial_hex()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_of_five_seconds_renew_and_touch_no_connection() {
    let house = House::with_lifetime(Duration::from_secs(5)).await;
    house.admit("reviews");
    let tasks = tasks();
    let (live, mut status) = house.agent("reviews", &tasks).await;
    let address = echo(&live, &tasks).await;
    let mut connection = dial(&live, address).await;
    let first = server_serial(&connection);
    // Until the first certificate has long expired.
    while status.borrow_and_update().obtained < 4 {
        exchange(&mut connection).await;
        status.changed().await.unwrap();
        assert_eq!(status.borrow().failures, 0, "{status:?}");
    }
    exchange(&mut connection).await;
    let mut second = dial(&live, address).await;
    assert_ne!(server_serial(&second), first);
    exchange(&mut second).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_is_kept_while_citadel_is_away_and_renewed_when_it_is_back() {
    let mut house = House::with_lifetime(Duration::from_secs(8)).await;
    house.admit("reviews");
    let tasks = tasks();
    let (live, mut status) = house.agent("reviews", &tasks).await;
    let held = live.current().leaf().serial_hex();
    house.stop().await;
    status
        .wait_for(|status| status.failures >= 2)
        .await
        .unwrap();
    assert_eq!(live.current().leaf().serial_hex(), held);
    assert!(status.borrow().last_error.is_some());
    house.start().await;
    status
        .wait_for(|status| status.obtained >= 2)
        .await
        .unwrap();
    assert_ne!(live.current().leaf().serial_hex(), held);
    assert_eq!(status.borrow().last_error, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roots_that_are_added_are_taken_up_without_a_restart() {
    let house = House::open().await;
    house.admit("reviews");
    let (live, _status) = house.agent("reviews", &tasks()).await;
    let serial = live.current().leaf().serial_hex();
    let second = Authority::root("cluster.local", mesh_test::clock::now());
    let roots = house.path("ca/root-cert.pem");
    let staged = house.path("ca/staged");
    std::fs::write(&staged, house.roots() + &second.pem()).unwrap();
    std::fs::rename(&staged, &roots).unwrap();
    until("the second root is there", || {
        live.current().bundle().roots().len() == 2
    });
    assert_eq!(
        live.current().leaf().serial_hex(),
        serial,
        "the certificate stays"
    );
    // A damaged file changes nothing.
    std::fs::write(&staged, "-----BEGIN CERTIFICATE-----\nno\n").unwrap();
    std::fs::rename(&staged, &roots).unwrap();
    assert_eq!(live.current().bundle().roots().len(), 2);
}
