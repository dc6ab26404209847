//! Clients that leave, and those that only have nothing more to say.

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

#[tokio::test]
async fn a_client_that_leaves_is_written_down_as_gone() {
    let way = way().await;
    let mut client = TcpStream::connect(way.address).await.unwrap();
    client.write_all(REQUEST).await.unwrap();
    let mut app = way.asked().await;
    reset(client);
    assert!(is_cut(&mut app).await, "the application works for nobody");
    assert_eq!(way.ends().await, [(0, Finish::Gone)]);
}

/// As `printf ... | nc -N` does.
#[tokio::test]
async fn a_client_that_has_nothing_more_to_say_gets_its_whole_answer() {
    const LENGTH: usize = 4 * 1024 * 1024;
    let way = way().await;
    let mut client = TcpStream::connect(way.address).await.unwrap();
    client.write_all(REQUEST).await.unwrap();
    client.shutdown().await.unwrap();
    let mut app = way.asked().await;
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {LENGTH}\r\n\r\n");
    let answer = [head.as_bytes(), &vec![b'x'; LENGTH]].concat();
    let (written, read) = tokio::join!(app.write_all(&answer), async {
        let mut read = Vec::new();
        client.read_to_end(&mut read).await.unwrap();
        read
    });
    written.unwrap();
    let body = read
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap()
        + 4;
    let head = String::from_utf8_lossy(&read[..body]);
    assert!(head.contains("connection: close"), "{head}");
    assert_eq!(read.len() - body, LENGTH);
    assert_eq!(way.ends().await, [(200, Finish::Complete)]);
}

#[tokio::test]
async fn every_request_before_the_end_is_answered() {
    let way = way().await;
    let mut client = TcpStream::connect(way.address).await.unwrap();
    let three = REQUEST.repeat(3);
    client.write_all(&three).await.unwrap();
    client.shutdown().await.unwrap();
    let mut app = way.asked().await;
    let serve = async {
        for number in 0..3 {
            if number > 0 {
                assert!(read_head(&mut app).await);
            }
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
            app.write_all(answer).await.unwrap();
        }
    };
    let mut read = String::new();
    let (_, got) = tokio::join!(serve, client.read_to_string(&mut read));
    got.unwrap();
    assert_eq!(read.matches("\r\n\r\nok").count(), 3, "{read}");
    assert_eq!(read.matches("connection: close").count(), 1, "{read}");
}

#[tokio::test]
async fn a_client_that_leaves_after_its_last_word_is_found_out() {
    let way = way().await;
    let mut client = TcpStream::connect(way.address).await.unwrap();
    client.write_all(REQUEST).await.unwrap();
    client.shutdown().await.unwrap();
    let mut app = way.asked().await;
    reset(client);
    assert!(is_cut(&mut app).await, "the application works for nobody");
    assert_eq!(way.ends().await, [(0, Finish::Gone)]);
}
