//! Streams: bodies of any size, trailers, upgrades, and bytes that are passed on.

use std::net::SocketAddr;

use bytes::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};
use mesh_runtime::Tasks;
use mesh_test::client::{Client, Http};
use mesh_test::eventually::DEADLINE;
use mesh_test::origin::Origin;
use mesh_traffic::cluster::UpstreamProtocol;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::testing::{Mk, Proxy, free_address, mk_cluster, mk_config, table, to_cluster};

fn entry(address: SocketAddr) -> mesh_traffic::Listener {
    Mk {
        routes: Some(table("t", vec![to_cluster("app")])),
        ..Mk::default()
    }
    .listener(address)
}

fn start(app: SocketAddr, speaks: UpstreamProtocol) -> (Proxy, SocketAddr) {
    let address = free_address();
    let mut cluster = mk_cluster("app", &[app]);
    cluster.protocol = speaks;
    (
        Proxy::start(
            mk_config(vec![entry(address)], Vec::new(), vec![cluster]),
            None,
        ),
        address,
    )
}

/// A server that speaks HTTP/2 with prior knowledge and answers as gRPC does: status in trailers.
pub(super) async fn grpc_origin() -> (SocketAddr, Tasks) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let tasks = Tasks::new(&prometheus::Registry::new());
    let own = tasks.clone();
    tasks.spawn("grpc origin", async move {
        while let Ok((stream, _)) = listener.accept().await {
            own.spawn("grpc connection", async move {
                let mut connection = h2::server::handshake(stream).await.unwrap();
                while let Some(Ok((request, mut respond))) = connection.accept().await {
                    assert_eq!(request.headers()["te"], "trailers");
                    let head = http::Response::builder()
                        .header("content-type", "application/grpc")
                        .body(())
                        .unwrap();
                    let mut stream = respond.send_response(head, false).unwrap();
                    stream
                        .send_data(Bytes::from_static(b"\0\0\0\0\0"), false)
                        .unwrap();
                    let mut trailers = http::HeaderMap::new();
                    trailers.insert("grpc-status", "7".parse().unwrap());
                    stream.send_trailers(trailers).unwrap();
                }
            });
        }
    });
    (address, tasks)
}

/// Calls over HTTP/2 with prior knowledge; the status of HTTP and that of the trailers.
pub(super) async fn grpc_call(address: SocketAddr) -> (u16, Option<String>) {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
    let tasks = Tasks::new(&prometheus::Registry::new());
    tasks.spawn("grpc client", async move {
        let _ended = connection.await;
    });
    let request = http::Request::post("http://reviews:9080/pkg.Service/Call")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .unwrap();
    let (response, _) = client.send_request(request, true).unwrap();
    let (head, mut body) = response.await.unwrap().into_parts();
    while let Some(part) = body.data().await {
        let length = part.unwrap().len();
        body.flow_control().release_capacity(length).unwrap();
    }
    let trailers = body.trailers().await.unwrap();
    let status = trailers.and_then(|t| Some(t.get("grpc-status")?.to_str().unwrap().to_owned()));
    (head.status.as_u16(), status)
}

#[tokio::test]
async fn http2_with_prior_knowledge_reaches_an_http2_application() {
    let (app, _tasks) = grpc_origin().await;
    let (_proxy, address) = start(app, UpstreamProtocol::Http2);
    assert_eq!(grpc_call(address).await, (200, Some("7".to_owned())));
}

#[tokio::test]
async fn bodies_of_any_size_pass_both_ways() {
    let app = Origin::start(|request| http::Response::new(request.into_body())).await;
    for (speaks, client) in [
        (UpstreamProtocol::Http1, Http::One),
        (UpstreamProtocol::Http2, Http::Two),
    ] {
        let (_proxy, address) = start(app.address(), speaks);
        let mut client = Client::plain(address, client).await.unwrap();
        for size in [0, 1, 64 * 1024, 3_000_000] {
            let body = vec![b'x'; size];
            let answer = client
                .post(&format!("http://{address}/"), &[], body.clone())
                .await
                .unwrap();
            assert_eq!((answer.status().as_u16(), answer.body().len()), (200, size));
        }
    }
}

/// What waits for a client that goes away is charged to the endpoint's connection no longer.
#[tokio::test]
async fn clients_that_vanish_leave_a_shared_connection_to_the_others() {
    const LARGE: usize = 3_000_000;
    let app = Origin::start(|_| http::Response::new(vec![b'x'; LARGE].into())).await;
    let (_proxy, address) = start(app.address(), UpstreamProtocol::Http2);
    let mut readers = Vec::new();
    for _ in 0..100 {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let mut client = socket.connect(address).await.unwrap();
        client
            .write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            .await
            .unwrap();
        readers.push(client);
        if readers.len() == 10 {
            // Some of the answers have begun: they wait in the proxy.
            readers[0].readable().await.unwrap();
            readers.clear();
        }
    }
    let mut client = Client::plain(address, Http::One).await.unwrap();
    let uri = format!("http://{address}/");
    let answer = tokio::time::timeout(DEADLINE, client.get(&uri, &[])).await;
    let answer = answer.expect("the connection goes on").unwrap();
    assert_eq!(answer.body().len(), LARGE);
}

/// A server that speaks HTTP/2 with prior knowledge and sends back whatever comes, as it comes.
async fn echo_origin() -> (SocketAddr, Tasks) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let tasks = Tasks::new(&prometheus::Registry::new());
    let own = tasks.clone();
    tasks.spawn("echo origin", async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = hyper::service::service_fn(async |request| {
                Ok::<_, std::convert::Infallible>(http::Response::new(request.into_body()))
            });
            own.spawn("echo connection", async move {
                let served = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                let _ended = served.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    (address, tasks)
}

/// The answer fills what waits for the client while the request is still coming: reading goes on
/// once that has left, though no other stream waits for room and the kernel tells nothing new.
#[tokio::test]
async fn an_answer_that_comes_while_the_request_does_stalls_neither() {
    let (app, _tasks) = echo_origin().await;
    let (_proxy, address) = start(app, UpstreamProtocol::Http2);
    let mut client = Client::plain(address, Http::One).await.unwrap();
    let body = vec![b'x'; 3_000_000];
    for _ in 0..40 {
        let url = format!("http://{address}/");
        let answer = client.post(&url, &[], body.clone());
        let answer = tokio::time::timeout(DEADLINE, answer)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(answer.body().len(), body.len());
    }
}

/// A frame of HTTP/2 (RFC 9113 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// HEADERS of a request with this method, which has an index of HPACK's static table.
fn head(method: u8, flags: u8, stream: u32, path: &str) -> Vec<u8> {
    let mut block = vec![0x80 | method, 0x86, 0x04, u8::try_from(path.len()).unwrap()];
    block.extend(path.bytes());
    block.extend([0x01, 1, b'a']);
    frame(1, 0x4 | flags, stream, &block)
}

/// RFC 9113 5.2.2: a client may write everything that it was given windows for before it reads on.
#[tokio::test]
async fn a_client_of_http2_is_read_on_while_it_takes_no_answer() {
    const WINDOW: usize = 256 * 1024;
    let (app, _origin) = endless_origin().await;
    let (_proxy, address) = start(app, UpstreamProtocol::Http1);
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.set_send_buffer_size(4096).unwrap();
    let mut client = socket.connect(address).await.unwrap();
    let mut hello = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    hello.extend(frame(4, 0, 0, &[0, 4, 0x7f, 0xff, 0xff, 0xff]));
    hello.extend(frame(8, 0, 0, &0x7fff_0000_u32.to_be_bytes()));
    client.write_all(&hello).await.unwrap();
    // What it may write is in SETTINGS and in the WINDOW_UPDATE behind them.
    client.read_exact(&mut [0; 9]).await.unwrap();
    let bulk = head(2, 0x1, 1, "/bulk");
    client.write_all(&bulk).await.unwrap();
    let stalled = async { while client.peek(&mut [0; 1024]).await.unwrap() < 1024 {} };
    tokio::time::timeout(DEADLINE, stalled).await.unwrap();
    let mut requests = Vec::new();
    for stream in (3..).step_by(2).take(3) {
        requests.extend(head(3, 0, stream, "/"));
        for _ in 0..WINDOW / 16_384 {
            requests.extend(frame(0, 0, stream, &[b'x'; 16_384]));
        }
    }
    let written = tokio::time::timeout(DEADLINE, client.write_all(&requests)).await;
    written.expect("to be read on").unwrap();
}

#[tokio::test]
async fn a_websocket_passes_as_bytes() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let app = listener.local_addr().unwrap();
    let tasks = Tasks::new(&prometheus::Registry::new());
    tasks.spawn("websocket origin", async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        assert!(head.contains("upgrade: websocket") && head.contains("connection: upgrade"), "{head}");
        let switch = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n";
        stream.write_all(switch).await.unwrap();
        let mut word = [0; 4];
        stream.read_exact(&mut word).await.unwrap();
        word.reverse();
        stream.write_all(&word).await.unwrap();
    });
    let (_proxy, address) = start(app, UpstreamProtocol::Http1);
    let mut client = TcpStream::connect(address).await.unwrap();
    let ask = b"GET /chat HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n";
    client.write_all(ask).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.unwrap());
    }
    assert!(
        head.starts_with(b"HTTP/1.1 101"),
        "{}",
        String::from_utf8_lossy(&head)
    );
    client.write_all(b"ping").await.unwrap();
    let mut word = [0; 4];
    client.read_exact(&mut word).await.unwrap();
    assert_eq!(&word, b"gnip");
}

#[tokio::test]
async fn a_half_closed_connection_stays_open_the_other_way() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let app = listener.local_addr().unwrap();
    let tasks = Tasks::new(&prometheus::Registry::new());
    tasks.spawn("tcp origin", async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await.unwrap();
        all.reverse();
        stream.write_all(&all).await.unwrap();
    });
    let address = free_address();
    let listener = Mk::default().tcp_listener(address, "app");
    let _proxy = Proxy::start(
        mk_config(vec![listener], Vec::new(), vec![mk_cluster("app", &[app])]),
        None,
    );
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"abc").await.unwrap();
    client.shutdown().await.unwrap();
    let mut back = Vec::new();
    client.read_to_end(&mut back).await.unwrap();
    assert_eq!(back, b"cba");
}

/// Answers `/bulk` without an end, and anything else with two bytes.
async fn endless_origin() -> (SocketAddr, Tasks) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let tasks = Tasks::new(&prometheus::Registry::new());
    let own = tasks.clone();
    tasks.spawn("endless origin", async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            own.spawn("endless connection", async move {
                let mut head = Vec::new();
                while let Ok(byte) = stream.read_u8().await {
                    head.push(byte);
                    if !head.ends_with(b"\r\n\r\n") {
                        continue;
                    }
                    let bulk = head.starts_with(b"GET /bulk");
                    head.clear();
                    if !bulk {
                        let ok = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
                        stream.write_all(ok).await.unwrap();
                        continue;
                    }
                    let begin = b"HTTP/1.1 200 OK\r\ncontent-length: 999999999999\r\n\r\n";
                    stream.write_all(begin).await.unwrap();
                    let block = vec![b'x'; 256 * 1024];
                    while stream.write_all(&block).await.is_ok() {}
                    return;
                }
            });
        }
    });
    (address, tasks)
}

#[tokio::test(flavor = "multi_thread")]
async fn transfers_without_an_end_leave_others_their_turn() {
    let (app, _origin) = endless_origin().await;
    let (_proxy, address) = start(app, UpstreamProtocol::Http1);
    let readers = Tasks::new(&prometheus::Registry::new());
    // Two for each worker.
    for _ in 0..4 {
        let mut bulk = TcpStream::connect(address).await.unwrap();
        bulk.write_all(b"GET /bulk HTTP/1.1\r\nhost: a\r\n\r\n")
            .await
            .unwrap();
        bulk.read_exact(&mut [0; 64 * 1024]).await.unwrap();
        readers.spawn("bulk reader", async move {
            let mut sink = tokio::io::sink();
            let _cut = tokio::io::copy(&mut bulk, &mut sink).await;
        });
    }
    let others = async {
        for _ in 0..50 {
            let mut client = Client::plain(address, Http::One).await.unwrap();
            let answer = client
                .get(&format!("http://{address}/"), &[])
                .await
                .unwrap();
            assert_eq!(answer.status(), 200);
        }
    };
    let bound = std::time::Duration::from_secs(30);
    tokio::time::timeout(bound, others).await.unwrap();
}
