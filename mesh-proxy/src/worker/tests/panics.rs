//! A fault of our own ends the connection that it happened on, and no other.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use mesh_runtime::Tasks;
use mesh_test::eventually::DEADLINE;
use mesh_traffic::cluster::UpstreamProtocol;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::http::mirror::CopyEnd;
use crate::http::observe::{End, Observer};
use crate::http::serve::Exchange;
use crate::testing::{Mk, Proxy, free_address, mk_cluster, mk_config, table, to_cluster};

/// Panics where a request for `/panic` ends.
struct Panicking;

impl Observer for Panicking {
    fn request_ended(&self, exchange: &Exchange, _: &End) {
        assert_ne!(exchange.request.path, "/panic", "as the test wants it");
    }

    fn copy_ended(&self, _: CopyEnd) {}

    fn connection_refused(&self, _: &'static str) {}
}

/// What an application saw of a request.
#[derive(Debug, PartialEq, Eq)]
enum Saw {
    Asked(String),
    Reset(String),
}

/// An application of HTTP/2 that answers nothing but `/answer`.
async fn application(tasks: &Tasks) -> (std::net::SocketAddr, mpsc::Receiver<Saw>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (told, saw) = mpsc::channel(16);
    let own = tasks.clone();
    tasks.spawn("application", async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (told, inner) = (told.clone(), own.clone());
            own.spawn("connection", async move {
                let mut connection = h2::server::handshake(stream).await.unwrap();
                while let Some(Ok((request, mut respond))) = connection.accept().await {
                    let path = request.uri().path().to_owned();
                    if path == "/answer" {
                        respond
                            .send_response(http::Response::new(()), true)
                            .unwrap();
                        continue;
                    }
                    told.send(Saw::Asked(path.clone())).await.unwrap();
                    let told = told.clone();
                    inner.spawn("request", async move {
                        let _code = std::future::poll_fn(|cx| respond.poll_reset(cx)).await;
                        // The test may be over.
                        let _ended = told.send(Saw::Reset(path)).await;
                    });
                }
            });
        }
    });
    (address, saw)
}

async fn client(address: std::net::SocketAddr, tasks: &Tasks) -> h2::client::SendRequest<Bytes> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    tasks.spawn("client", async move {
        let _ended = connection.await;
    });
    client
}

fn ask(client: &mut h2::client::SendRequest<Bytes>, path: &str) -> h2::client::ResponseFuture {
    let request = Request::get(format!("http://app{path}")).body(()).unwrap();
    client.send_request(request, true).unwrap().0
}

#[tokio::test]
async fn a_panic_ends_its_own_connection_and_gives_up_what_that_had_under_way() {
    let tasks = Tasks::new(&prometheus::Registry::new());
    let (app, mut saw) = application(&tasks).await;
    let address = free_address();
    let listener = Mk {
        routes: Some(table("t", vec![to_cluster("app")])),
        ..Mk::default()
    };
    let mut cluster = mk_cluster("app", &[app]);
    cluster.protocol = UpstreamProtocol::Http2;
    let config = mk_config(vec![listener.listener(address)], Vec::new(), vec![cluster]);
    let _proxy = Proxy::observed(config, None, || Rc::new(Panicking));
    let mut next = async || {
        let saw = tokio::time::timeout(DEADLINE, saw.recv()).await;
        saw.expect("the application sees something").unwrap()
    };

    let mut neighbour = client(address, &tasks).await;
    let mut kept = Box::pin(ask(&mut neighbour, "/kept"));
    assert_eq!(next().await, Saw::Asked("/kept".to_owned()));
    let mut doomed = client(address, &tasks).await;
    let beside = ask(&mut doomed, "/beside");
    assert_eq!(next().await, Saw::Asked("/beside".to_owned()));
    let fatal = ask(&mut doomed, "/panic");
    assert_eq!(next().await, Saw::Asked("/panic".to_owned()));

    // Given up by the client, so it ends while that one's connection is being read.
    drop(fatal);
    tokio::time::timeout(DEADLINE, beside)
        .await
        .expect("the connection is cut")
        .unwrap_err();
    let mut resets = [next().await, next().await];
    resets.sort_by_key(|saw| format!("{saw:?}"));
    let given_up = |path: &str| Saw::Reset(path.to_owned());
    assert_eq!(resets, [given_up("/beside"), given_up("/panic")]);

    let answer = ask(&mut neighbour, "/answer").await.unwrap();
    assert_eq!(answer.status(), 200);
    let still = tokio::time::timeout(Duration::from_millis(1), &mut kept).await;
    assert!(still.is_err(), "the neighbour's request goes on");
}
