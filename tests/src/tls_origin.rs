//! A TLS server with a certificate of the test's choosing, where a workload should be.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mesh_test::pki::Certified;
use mesh_test::tls::careless_server;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\nconnection: close\r\n\r\nserved";

/// Serves HTTP/1.1 over TLS until dropped; counts the requests that reach it.
#[derive(Debug)]
pub struct TlsOrigin {
    /// Where it listens.
    pub address: SocketAddr,
    requests: Arc<AtomicU64>,
    _serving: JoinSet<()>,
}

impl TlsOrigin {
    /// Shows `certified` to everyone who connects.
    pub async fn start(certified: &Certified) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("the listener is bound");
        let acceptor = TlsAcceptor::from(Arc::new(careless_server(certified, &[b"http/1.1"])));
        let requests = Arc::new(AtomicU64::new(0));
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, acceptor, requests.clone()));
        Self {
            address,
            requests,
            _serving: serving,
        }
    }

    /// Requests that reached it.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::SeqCst)
    }
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, requests: Arc<AtomicU64>) {
    while let Ok((stream, _)) = listener.accept().await {
        // A client that refuses the certificate ends its connection here.
        let Ok(mut stream) = acceptor.accept(stream).await else {
            continue;
        };
        let mut head = Vec::new();
        while !head.windows(4).any(|end| end == b"\r\n\r\n") {
            match stream.read_buf(&mut head).await {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
        }
        if head.starts_with(b"GET ") {
            requests.fetch_add(1, Ordering::SeqCst);
            let _client_may_be_gone = stream.write_all(ANSWER).await;
            let _closed = stream.shutdown().await;
        }
    }
}
