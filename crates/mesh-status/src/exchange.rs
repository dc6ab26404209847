//! One request and its answer over a connection of its own, which ends with it.

use std::pin::pin;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};

/// What a connection may hold of an answer that was not taken yet.
const BUFFER: usize = 64 * 1024;

/// A connection to the application.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

/// Which HTTP the connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    Http1,
    Http2,
}

/// An answer, or as much of it as was wanted.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// Whether the body was longer than what was wanted, and is cut.
    pub(crate) cut: bool,
}

/// Sends a request and reads at most `most` bytes of its answer's body.
///
/// Nothing goes on when it is cancelled. Who calls has a deadline.
pub(crate) async fn exchange(
    wire: Box<dyn Wire>,
    version: Version,
    request: Request<Empty<Bytes>>,
    most: usize,
) -> hyper::Result<Answer> {
    let wire = TokioIo::new(wire);
    match version {
        Version::Http1 => {
            let mut builder = http1::Builder::new();
            let builder = builder.max_buf_size(BUFFER);
            let (mut sender, connection) = builder.handshake(wire).await?;
            let answer = async {
                let response = sender.send_request(request).await?;
                read(response, most).await
            };
            alongside(connection, answer).await
        }
        Version::Http2 => {
            let executor = TokioExecutor::new();
            let (mut sender, connection) = http2::handshake(executor, wire).await?;
            let answer = async {
                let response = sender.send_request(request).await?;
                read(response, most).await
            };
            alongside(connection, answer).await
        }
    }
}

/// Drives a connection until the answer that it carries is there.
async fn alongside<C, A>(connection: C, answer: A) -> hyper::Result<Answer>
where
    C: Future<Output = hyper::Result<()>>,
    A: Future<Output = hyper::Result<Answer>>,
{
    let mut answer = pin!(answer);
    tokio::select! {
        answer = &mut answer => return answer,
        // How it ends shows in the answer: it may have been complete.
        _ended = connection => {}
    }
    answer.await
}

async fn read(response: http::Response<Incoming>, most: usize) -> hyper::Result<Answer> {
    let (head, mut incoming) = response.into_parts();
    let (mut body, mut cut) = (Vec::new(), false);
    while let Some(frame) = incoming.frame().await {
        let frame = frame?;
        let Some(data) = frame.data_ref() else {
            continue;
        };
        let room = most - body.len();
        body.extend_from_slice(data.get(..room).unwrap_or(data));
        if data.len() > room {
            cut = true;
            break;
        }
    }
    Ok(Answer {
        status: head.status,
        headers: head.headers,
        body,
        cut,
    })
}
