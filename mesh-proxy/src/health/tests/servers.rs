//! Servers that are probed: one that sends bytes back, and one that speaks `grpc.health.v1`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use mesh_runtime::Tasks;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// Sends bytes back.
pub(super) struct Echo {
    address: SocketAddr,
    connections: Arc<AtomicU64>,
    leaving: Arc<Notify>,
    tasks: Tasks,
}

impl Echo {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let echo = Self {
            address: listener.local_addr().unwrap(),
            connections: Arc::default(),
            leaving: Arc::default(),
            tasks: Tasks::new(&prometheus::Registry::new()),
        };
        let (tasks, count) = (echo.tasks.clone(), echo.connections.clone());
        let leaving = echo.leaving.clone();
        echo.tasks.spawn("echo", async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let leaving = leaving.clone();
                tasks.spawn("echo connection", async move {
                    tokio::select! {
                        () = echoed(stream) => {}
                        () = leaving.notified() => {}
                    }
                });
            }
        });
        echo
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn connections(&self) -> u64 {
        self.connections.load(Ordering::SeqCst)
    }

    /// Closes the connections that are open.
    pub(super) fn hang_up(&self) {
        self.leaving.notify_waiters();
    }
}

async fn echoed(mut stream: TcpStream) {
    let mut bytes = [0; 64];
    while let Ok(read @ 1..) = stream.read(&mut bytes).await {
        stream.write_all(&bytes[..read]).await.unwrap();
    }
}

/// Serves `grpc.health.v1.Health/Check`.
pub(super) struct GrpcHealth {
    address: SocketAddr,
    connections: Arc<AtomicU64>,
    state: Arc<State>,
    _tasks: Tasks,
}

#[derive(Default)]
struct State {
    fails: AtomicBool,
    asked: Mutex<(String, String)>,
}

impl GrpcHealth {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tasks = Tasks::new(&prometheus::Registry::new());
        let server = Self {
            address: listener.local_addr().unwrap(),
            connections: Arc::default(),
            state: Arc::default(),
            _tasks: tasks.clone(),
        };
        let (own, count) = (tasks.clone(), server.connections.clone());
        let state = server.state.clone();
        tasks.spawn("grpc health", async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let (state, calls) = (state.clone(), own.clone());
                own.spawn("grpc health connection", async move {
                    let mut connection = h2::server::handshake(stream).await.unwrap();
                    while let Some(Ok((request, respond))) = connection.accept().await {
                        calls.spawn("grpc health call", answer(state.clone(), request, respond));
                    }
                });
            }
        });
        server
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn connections(&self) -> u64 {
        self.connections.load(Ordering::SeqCst)
    }

    /// Says from now on whether it serves.
    pub(super) fn serve(&self, serves: bool) {
        self.state.fails.store(!serves, Ordering::SeqCst);
    }

    /// The service that was asked about last, and the authority.
    pub(super) fn asked(&self) -> (String, String) {
        self.state.asked.lock().clone()
    }
}

async fn answer(
    state: Arc<State>,
    request: Request<h2::RecvStream>,
    mut respond: h2::server::SendResponse<Bytes>,
) {
    let (head, mut body) = request.into_parts();
    assert_eq!(head.uri.path(), "/grpc.health.v1.Health/Check");
    assert_eq!(head.headers["content-type"], "application/grpc");
    let mut message = Vec::new();
    while let Some(part) = body.data().await {
        message.extend_from_slice(&part.unwrap());
    }
    // The prefix, the key of the field and its length come before the name.
    let service = String::from_utf8(message[7..].to_vec()).unwrap();
    let authority = head.uri.authority().unwrap().to_string();
    *state.asked.lock() = (service, authority);
    let head = Response::builder()
        .header("content-type", "application/grpc")
        .body(())
        .unwrap();
    let mut stream = respond.send_response(head, false).unwrap();
    let status = if state.fails.load(Ordering::SeqCst) {
        2
    } else {
        1
    };
    let message = Bytes::copy_from_slice(&[0, 0, 0, 0, 2, 8, status]);
    stream.send_data(message, false).unwrap();
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", "0".parse().unwrap());
    stream.send_trailers(trailers).unwrap();
}
