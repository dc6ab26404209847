//! The client of a case: does what the case says, and writes down what it gets.

mod one;
mod two;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::case::{Case, HOST, Wire};
use crate::wire::h1::{Framing, Reader, framing, status};

/// How long a client waits for what the mesh promises.
pub(crate) const PATIENCE: Duration = Duration::from_secs(8);

/// What the client got.
#[derive(Debug, Clone, Default)]
pub(crate) struct Got {
    /// Final answers by request (HTTP/1, from 1) or stream.
    pub(crate) answers: BTreeMap<u32, Answer>,
    /// Informational answers, in order.
    pub(crate) interim: Vec<u16>,
    /// The answer to the probe on the same connection.
    pub(crate) after: Option<u16>,
    /// The answer to the good request on a connection of its own.
    pub(crate) good: Option<u16>,
    /// The proxy closed the connection.
    pub(crate) closed: bool,
    /// The code of a GOAWAY.
    pub(crate) goaway: Option<u32>,
    /// What came was not HTTP.
    pub(crate) wrong: Option<String>,
    /// The deadline passed before everything had come.
    pub(crate) late: bool,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Answer {
    pub(crate) status: Option<u16>,
    pub(crate) fields: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<(String, Vec<u8>)>,
    /// The message came to the end that its framing announced.
    pub(crate) whole: bool,
    /// The stream was reset with this code.
    pub(crate) reset: Option<u32>,
}

/// Runs a case under a name against a proxy, which has so long to answer.
pub(crate) async fn run(case: &Case, id: &str, proxy: SocketAddr, patience: Duration) -> Got {
    let mut got = Got::default();
    let asked = async {
        match case.wire {
            Wire::One => one::ask(case, id, proxy, &mut got).await,
            Wire::Two => two::ask(case, id, proxy, &mut got).await,
        }
    };
    let in_time = tokio::time::timeout(patience, asked).await;
    got.late = in_time.is_err();
    got.good = good(proxy, id).await;
    got
}

/// A good request on a connection of its own.
pub(crate) async fn good(proxy: SocketAddr, id: &str) -> Option<u16> {
    let exchange = async {
        let mut stream = TcpStream::connect(proxy).await.ok()?;
        let request = format!("GET /{id}/good HTTP/1.1\r\nhost: {HOST}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut reader = Reader::new(stream);
        let mut message = reader.head().await.ok()?;
        let length = framing(&message).ok()?.unwrap_or(Framing::None);
        reader.body(length, &mut message).await.ok()?;
        status(&message).ok()
    };
    tokio::time::timeout(PATIENCE, exchange)
        .await
        .ok()
        .flatten()
}
