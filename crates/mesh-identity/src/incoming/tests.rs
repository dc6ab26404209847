use mesh_model::ident::TrustDomain;
use mesh_pki::live::LiveIdentity;
use mesh_pki::tls::{ClientAuth, Expect, TrustPolicy, client_config, server_config};
use mesh_runtime::SystemClock;
use mesh_test::clock;
use mesh_test::pki::Authority;
use mesh_test::tls::careless_client;
use rustls::ClientConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::{TlsConnector, client};
use tokio_stream::StreamExt;

use super::*;

const CLIENT: &str = "spiffe://cluster.local/ns/default/sa/client";

fn domain() -> TrustDomain {
    TrustDomain::parse("cluster.local").unwrap()
}

/// A listener with its stream, and a root to make clients under.
struct Case {
    incoming: ReceiverStream<io::Result<TlsConnection>>,
    address: SocketAddr,
    root: Authority,
    tasks: Tasks,
}

impl Case {
    async fn new(auth: ClientAuth) -> Self {
        let root = Authority::root("cluster.local", clock::now());
        let server = root.live(
            "spiffe://cluster.local/ns/default/sa/server",
            Arc::new(SystemClock),
        );
        let trust_domain = domain();
        let config = server_config(&server, TrustPolicy { trust_domain }, auth, &[]).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let tasks = Tasks::new(&prometheus::Registry::new());
        Self {
            incoming: tls_incoming(listener, Arc::new(config), &tasks),
            address,
            root,
            tasks,
        }
    }

    fn client(&self) -> ClientConfig {
        let live: LiveIdentity = self.root.live(CLIENT, Arc::new(SystemClock));
        client_config(&live, Expect::TrustDomain(domain()), &[]).unwrap()
    }

    async fn dial(&self, config: ClientConfig) -> io::Result<client::TlsStream<TcpStream>> {
        let stream = TcpStream::connect(self.address).await?;
        let connector = TlsConnector::from(Arc::new(config));
        connector.connect(self.address.ip().into(), stream).await
    }

    async fn next(&mut self) -> TlsConnection {
        self.incoming.next().await.unwrap().unwrap()
    }
}

#[tokio::test]
async fn a_connection_carries_who_is_at_the_other_end() {
    let mut case = Case::new(ClientAuth::Required).await;
    let mut client = case.dial(case.client()).await.unwrap();
    let mut server = case.next().await;
    assert_eq!(
        server.peer().identity,
        Some(SpiffeId::parse(CLIENT).unwrap())
    );
    assert_eq!(
        server.peer().remote,
        client.get_ref().0.local_addr().unwrap()
    );
    assert_eq!(server.connect_info(), *server.peer());
    client.write_all(b"ping").await.unwrap();
    let mut got = [0; 4];
    server.read_exact(&mut got).await.unwrap();
    server.write_all(&got).await.unwrap();
    server.shutdown().await.unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, b"ping");
}

#[tokio::test]
async fn a_client_without_a_certificate_is_nobody_where_it_is_let_in() {
    let mut case = Case::new(ClientAuth::Optional).await;
    let _client = case.dial(careless_client(None, &[])).await.unwrap();
    assert_eq!(case.next().await.peer().identity, None);
}

#[tokio::test]
async fn silent_and_refused_clients_delay_nobody() {
    let mut case = Case::new(ClientAuth::Required).await;
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(TcpStream::connect(case.address).await.unwrap());
    }
    let foreign = Authority::root("cluster.local", clock::now()).leaf(CLIENT);
    // In TLS 1.3 the client learns of the refusal when it reads.
    let refused = case.dial(careless_client(Some(&foreign), &[])).await;
    if let Ok(mut refused) = refused {
        assert!(refused.read_u8().await.is_err());
    }
    let _client = case.dial(case.client()).await.unwrap();
    let first = case.next().await;
    assert_eq!(
        first.peer().identity,
        Some(SpiffeId::parse(CLIENT).unwrap())
    );
}

#[tokio::test]
async fn the_stream_ends_with_the_tasks() {
    let mut case = Case::new(ClientAuth::Required).await;
    let _silent = TcpStream::connect(case.address).await.unwrap();
    assert!(case.tasks.stop(Duration::from_secs(5)).await);
    assert!(case.incoming.next().await.is_none());
}
