//! Clients whose bodies a service is to see, byte by byte.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::super::raw::exchange;
use super::*;

/// A proxy that waits for 1000 bytes, but not for ever.
async fn waiting(guard: &Guard) -> (Origin, Proxy, SocketAddr) {
    let (app, at) = (mirror().await, free_address());
    let listener = Mk {
        routes: Some(table("t", vec![to_cluster("app")])),
        filters: vec![(FILTER, pack(&with_body(1000, false)))],
        silence_millis: 300,
        ..Mk::default()
    };
    let clusters = vec![mk_cluster("app", &[app.address()]), guard.cluster()];
    let config = mk_config(vec![listener.listener(at)], Vec::new(), clusters);
    (app, Proxy::alone(config), at)
}

#[tokio::test]
async fn who_asks_whether_to_send_it_is_told_to() {
    let guard = Guard::start().await;
    let (_app, _proxy, at) = waiting(&guard).await;
    let mut stream = TcpStream::connect(at).await.unwrap();
    let head = "POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut told = [0; 25];
    stream.read_exact(&mut told).await.unwrap();
    assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(guard.asked(), 0);
    stream.write_all(b"abcde").await.unwrap();
    let mut answer = vec![0; 15];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 200 OK");
    assert_eq!(guard.asked(), 1);
}

#[tokio::test]
async fn who_does_not_go_on_is_not_waited_for() {
    let guard = Guard::start().await;
    let (app, _proxy, at) = waiting(&guard).await;
    let begun = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nab";
    let answer = exchange(at, begun.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 504 "), "{answer}");
    assert_eq!((guard.asked(), app.requests()), (0, 0));
}

#[tokio::test]
async fn who_is_gone_is_not_asked_about() {
    let guard = Guard::start().await;
    let (app, _proxy, at) = waiting(&guard).await;
    let mut stream = TcpStream::connect(at).await.unwrap();
    let begun = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nab";
    stream.write_all(begun.as_bytes()).await.unwrap();
    drop(stream);
    assert_eq!(status(&format!("http://{at}/"), "alice").await, 200);
    assert_eq!((guard.asked(), app.requests()), (1, 1));
}

#[tokio::test]
async fn chunks_and_trailers_go_on_as_they_came() {
    let guard = Guard::start().await;
    let (_app, _proxy, at) = waiting(&guard).await;
    let sent = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n\
                3\r\nabc\r\n2\r\nde\r\n0\r\nx-sum: 1\r\n\r\n";
    let answer = exchange(at, sent.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(answer.ends_with("/ 7,50,-,- 5"), "{answer}");
}
