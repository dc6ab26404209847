//! Connections of an HTTP client made of hyper, which never retries.

use std::net::SocketAddr;

use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming};
use hyper::client::conn::{http1, http2};
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use mesh_runtime::Tasks;
use mesh_tests::pattern::{Pattern, piece_at};
use tokio::net::TcpStream;

/// Where to connect, and as what the server is addressed.
#[derive(Debug, Clone)]
pub(crate) struct Way {
    pub(crate) name: &'static str,
    pub(crate) to: SocketAddr,
    pub(crate) authority: String,
}

/// Version of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Http {
    One,
    Two,
}

/// A connection; over HTTP/2 it can be shared.
pub(crate) enum Connection {
    One(http1::SendRequest<Pattern>),
    Two(http2::SendRequest<Pattern>),
}

impl Connection {
    /// Opens one.
    pub(crate) async fn open(way: &Way, http: Http, tasks: &Tasks) -> Result<Self, String> {
        let stream = connect(way).await?;
        let failed = |error| format!("no connection: {}", chain(&error));
        let stream = TokioIo::new(stream);
        // How a connection ends shows in its requests.
        Ok(match http {
            Http::One => {
                let (sender, connection) = http1::handshake(stream).await.map_err(failed)?;
                tasks.spawn("connection", async move {
                    let _ended = connection.await;
                });
                Self::One(sender)
            }
            Http::Two => {
                let shaken = http2::handshake(TokioExecutor::new(), stream).await;
                let (sender, connection) = shaken.map_err(failed)?;
                tasks.spawn("connection", async move {
                    let _ended = connection.await;
                });
                Self::Two(sender)
            }
        })
    }

    /// Another handle of the same connection, over HTTP/2.
    pub(crate) fn share(&self) -> Option<Self> {
        match self {
            Self::One(_) => None,
            Self::Two(sender) => Some(Self::Two(sender.clone())),
        }
    }

    /// Sends a request, and gives the answer when its head is there.
    pub(crate) async fn send(
        &mut self,
        request: Request<Pattern>,
    ) -> Result<Response<Incoming>, String> {
        let answer = match self {
            Self::One(sender) => match sender.ready().await {
                Ok(()) => sender.send_request(request).await,
                Err(error) => return Err(format!("the connection is gone: {}", chain(&error))),
            },
            Self::Two(sender) => match sender.ready().await {
                Ok(()) => sender.send_request(request).await,
                Err(error) => return Err(format!("the connection is gone: {}", chain(&error))),
            },
        };
        answer.map_err(|error| format!("no answer: {}", chain(&error)))
    }

    /// A request for a path, as this connection wants it.
    pub(crate) fn request(&self, way: &Way, path: &str) -> hyper::http::request::Builder {
        match self {
            Self::One(_) => Request::builder().uri(path).header("host", &way.authority),
            Self::Two(_) => Request::builder().uri(format!("http://{}{path}", way.authority)),
        }
    }
}

/// Connects without a word.
pub(crate) async fn connect(way: &Way) -> Result<TcpStream, String> {
    let stream = TcpStream::connect(way.to).await;
    let stream = stream.map_err(|error| format!("no connection: {error}"))?;
    let _without_is_slower_only = stream.set_nodelay(true);
    Ok(stream)
}

/// Reads a body that must be so many bytes of the pattern; gives its trailers.
pub(crate) async fn whole(body: Incoming, length: u64) -> Result<Option<HeaderMap>, String> {
    let read = read(body).await;
    match read.end {
        End::Whole(trailers) if read.length == length => Ok(trailers),
        End::BrokenOff(error) => {
            let came = read.length;
            Err(format!(
                "broken off after {came} of {length} bytes: {error}"
            ))
        }
        End::Whole(_) => Err(format!("{} bytes instead of {length}", read.length)),
        End::Wrong => Err(format!("other bytes behind {}", read.length)),
    }
}

/// What came of a body.
#[derive(Debug)]
pub(crate) struct Read {
    /// Bytes of the pattern.
    pub(crate) length: u64,
    pub(crate) end: End,
}

/// How a body ended.
#[derive(Debug)]
pub(crate) enum End {
    /// As it should, perhaps with trailers.
    Whole(Option<HeaderMap>),
    /// Visibly before its end.
    BrokenOff(String),
    /// Other bytes came than were asked for.
    Wrong,
}

/// Reads a body as far as it comes and is the pattern.
pub(crate) async fn read(mut body: Incoming) -> Read {
    let (mut length, mut trailers) = (0, None);
    while let Some(frame) = body.frame().await {
        let end = match frame.map(Frame::into_data) {
            Ok(Ok(data)) if is_pattern(&data, length) => {
                length += data.len() as u64;
                continue;
            }
            Ok(Ok(_)) => End::Wrong,
            Ok(Err(other)) => {
                trailers = other.into_trailers().ok();
                continue;
            }
            Err(error) => End::BrokenOff(chain(&error)),
        };
        return Read { length, end };
    }
    let end = End::Whole(trailers);
    Read { length, end }
}

/// Whether bytes are those of the pattern from a place on.
fn is_pattern(mut data: &[u8], mut from: u64) -> bool {
    while !data.is_empty() {
        let piece = piece_at(from, data.len() as u64);
        let Some(rest) = data.strip_prefix(&*piece) else {
            return false;
        };
        from += piece.len() as u64;
        data = rest;
    }
    true
}

/// An error with what lies behind it.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(&format!(": {error}"));
        source = error.source();
    }
    text
}
