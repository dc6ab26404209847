//! Clients that leave before they have their answer.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use mesh_test::eventually;
use mesh_test::eventually::DEADLINE;
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::load::Noted;
use super::raw::read_head;
use crate::http::observe::Finish;
use crate::testing::{Mk, Proxy, free_address, mk_cluster, mk_config, table, to_cluster};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";

/// A proxy before an application that does what the test says.
struct Way {
    app: TcpListener,
    address: SocketAddr,
    noted: Noted,
    _proxy: Proxy,
}

async fn way() -> Way {
    let app = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = free_address();
    let listener = Mk {
        routes: Some(table("t", vec![to_cluster("app")])),
        ..Mk::default()
    };
    let cluster = mk_cluster("app", &[app.local_addr().unwrap()]);
    let config = mk_config(vec![listener.listener(address)], Vec::new(), vec![cluster]);
    let noted = Noted::default();
    let told = noted.clone();
    Way {
        app,
        address,
        noted,
        _proxy: Proxy::observed(config, None, move || Rc::new(told.clone())),
    }
}

impl Way {
    /// The next request, as the application gets it.
    async fn asked(&self) -> TcpStream {
        let (mut taken, _) = self.app.accept().await.unwrap();
        assert!(read_head(&mut taken).await);
        taken
    }

    async fn ends(self) -> Vec<(u16, Finish)> {
        let noted = self.noted.clone();
        let ended = tokio::task::spawn_blocking(move || {
            eventually("the request to end", || match noted.0.lock().as_slice() {
                [] => Err(()),
                ended => Ok(ended.to_vec()),
            })
        });
        ended.await.unwrap()
    }
}

/// Closes a socket in such a way that its peer gets a reset.
fn reset(client: TcpStream) {
    SockRef::from(&client)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
    drop(client);
}

/// Whether the connection that a request came on ends.
async fn is_cut(app: &mut TcpStream) -> bool {
    let read = tokio::time::timeout(DEADLINE, app.read(&mut [0])).await;
    matches!(read, Ok(Ok(0) | Err(_)))
}

/// Asks, leaves as the test says, and looks whether the application still works for nobody.
async fn leaves(leave: impl AsyncFnOnce(TcpStream)) {
    let way = way().await;
    let mut client = TcpStream::connect(way.address).await.unwrap();
    client.write_all(REQUEST).await.unwrap();
    let mut app = way.asked().await;
    leave(client).await;
    assert!(is_cut(&mut app).await, "the application works for nobody");
    assert_eq!(way.ends().await, [(0, Finish::Gone)]);
}

#[tokio::test]
async fn a_client_that_resets_its_connection_is_gone() {
    leaves(async |client| reset(client)).await;
}

#[tokio::test]
async fn a_client_that_closes_its_connection_is_gone() {
    leaves(async |client| drop(client)).await;
}

/// What closes its sending side alone looks like a client that waited long enough.
#[tokio::test]
async fn a_client_that_closes_its_side_is_gone() {
    leaves(async |mut client| {
        client.shutdown().await.unwrap();
        let mut read = Vec::new();
        client.read_to_end(&mut read).await.unwrap();
        assert_eq!(read, b"", "an answer that nobody gave");
    })
    .await;
}
