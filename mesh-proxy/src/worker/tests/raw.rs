//! An origin that does exactly what a test says, byte by byte.

use std::net::SocketAddr;

use mesh_runtime::Tasks;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What an origin does with one connection after another.
#[derive(Debug, Clone, Copy)]
pub(super) enum Act {
    /// Answers a request and closes the connection once a second one has come.
    CloseOnSecond,
    /// Reads a request and closes the connection.
    CloseUnanswered,
    /// Reads a request and never answers.
    Silent,
    /// Answers every request.
    Answer,
    /// Answers with half of the body and closes.
    Half,
    /// Begins an answer and never ends it.
    Begin,
    /// Answers with 40,000 bytes and closes.
    AnswerAndClose,
    /// Reads the head, answers 413 and closes; what comes of a body is never read.
    Refuse,
}

/// Serves connection number n as the n-th act says, the last one for all that follow.
pub(super) async fn origin(acts: &'static [Act]) -> (SocketAddr, Tasks) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let tasks = Tasks::new(&prometheus::Registry::new());
    let own = tasks.clone();
    tasks.spawn("raw origin", async move {
        let mut number = 0;
        while let Ok((stream, _)) = listener.accept().await {
            let act = acts[number.min(acts.len() - 1)];
            number += 1;
            own.spawn("raw connection", serve(stream, act));
        }
    });
    (address, tasks)
}

async fn serve(mut stream: TcpStream, act: Act) {
    let ok = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let mut requests = 0;
    while read_head(&mut stream).await {
        requests += 1;
        let answered = match act {
            Act::CloseOnSecond if requests == 2 => return,
            Act::CloseUnanswered => return,
            Act::Silent => {
                std::future::pending::<()>().await;
                return;
            }
            Act::Half => {
                let half = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf";
                stream.write_all(half).await.unwrap();
                return;
            }
            Act::Begin => {
                let begun = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nbegun\r\n";
                stream.write_all(begun).await.unwrap();
                std::future::pending::<()>().await;
                return;
            }
            Act::AnswerAndClose => {
                let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 40000\r\n\r\n";
                let answer = [head.as_bytes(), &[b'x'; 40_000]].concat();
                stream.write_all(&answer).await.unwrap();
                return;
            }
            Act::Refuse => {
                let refusal = b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n";
                stream.write_all(refusal).await.unwrap();
                return;
            }
            Act::Answer | Act::CloseOnSecond => stream.write_all(ok).await,
        };
        if answered.is_err() {
            return;
        }
    }
}

/// Reads one request without a body; false at the end of the connection.
pub(super) async fn read_head(stream: &mut TcpStream) -> bool {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return false,
        }
    }
    true
}

/// Sends bytes on a connection of its own and reads until the end of the connection.
pub(super) async fn exchange(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut out = Vec::new();
    // A reset is an end as well.
    let _ended = stream.read_to_end(&mut out).await;
    String::from_utf8_lossy(&out).into_owned()
}
