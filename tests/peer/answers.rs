//! What the paths of the test server mean.
//!
//! | path | answer |
//! |---|---|
//! | `/bytes/N`, `/chunks/N` | N bytes of the pattern, with and without a length |
//! | `/echo` | the body as it comes, and its trailers |
//! | `/seen` | JSON: how the request looked, length and sum of its body, its trailers |
//! | `/status/N` | that status, no body |
//! | `/trailers` | a body and a trailer `x-checksum` |
//! | `/refuse` | 413 before a byte of the body is read |

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderValue};
use hyper::http::response::Parts;
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use mesh_tests::pattern::{Digest, byte_at};
use serde_json::{Value, json};

/// Most bytes that are handed to hyper at once.
const PIECE: u64 = 64 * 1024;

type Answer = Response<UnsyncBoxBody<Bytes, hyper::Error>>;

/// Answers one request and says in a header which version of HTTP it came with.
pub(crate) async fn answer(request: Request<Incoming>) -> Answer {
    let version = HeaderValue::from_str(&format!("{:?}", request.version()));
    let head_only = request.method() == Method::HEAD;
    let mut answer = route(request).await;
    if let Ok(version) = version {
        answer.headers_mut().insert("x-server-protocol", version);
    }
    if head_only {
        return without_body(answer);
    }
    answer
}

async fn route(request: Request<Incoming>) -> Answer {
    let path = request.uri().path().to_owned();
    let path = path.trim_start_matches('/');
    let (kind, number) = path.split_once('/').unwrap_or((path, ""));
    let number: u64 = number.parse().unwrap_or(0);
    match kind {
        "bytes" => Response::new(Pattern::exact(number).boxed_unsync()),
        "chunks" => Response::new(Pattern::of_any_length(number).boxed_unsync()),
        "echo" => echo(request),
        "seen" => json(&seen(request).await),
        "status" => status(u16::try_from(number).unwrap_or(500)),
        "trailers" => trailers(),
        "refuse" => status(413),
        _ => status(404),
    }
}

/// A HEAD is answered with the length that GET would have. hyper drops bodies on HTTP/1 alone.
fn without_body(answer: Answer) -> Answer {
    let (mut head, body): (Parts, _) = answer.into_parts();
    if let Some(length) = body.size_hint().exact() {
        head.headers.insert(CONTENT_LENGTH, length.into());
    }
    Response::from_parts(head, none())
}

fn none() -> UnsyncBoxBody<Bytes, hyper::Error> {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

fn status(code: u16) -> Answer {
    let mut answer = Response::new(none());
    *answer.status_mut() = StatusCode::from_u16(code).unwrap_or_default();
    if code == 304 {
        let tag = HeaderValue::from_static("\"pattern\"");
        answer.headers_mut().insert(ETAG, tag);
    }
    answer
}

fn echo(request: Request<Incoming>) -> Answer {
    let (head, body) = request.into_parts();
    let mut answer = Response::new(body.boxed_unsync());
    for name in [CONTENT_TYPE, CONTENT_LENGTH] {
        if let Some(value) = head.headers.get(&name) {
            answer.headers_mut().insert(name, value.clone());
        }
    }
    answer
}

fn trailers() -> Answer {
    let mut fields = HeaderMap::new();
    fields.insert("x-checksum", HeaderValue::from_static("f00d"));
    let body = Pattern {
        trailers: Some(fields),
        ..Pattern::of_any_length(1000)
    };
    let mut answer = Response::new(body.boxed_unsync());
    let announced = HeaderValue::from_static("x-checksum");
    answer.headers_mut().insert("trailer", announced);
    answer
}

fn json(value: &Value) -> Answer {
    let body = Full::new(Bytes::from(value.to_string()));
    Response::new(body.map_err(|never| match never {}).boxed_unsync())
}

async fn seen(request: Request<Incoming>) -> Value {
    let (head, mut body) = request.into_parts();
    let (mut length, mut digest, mut trailers) = (0, Digest::default(), Value::Null);
    let mut broken = None;
    while let Some(frame) = body.frame().await {
        match frame.map(Frame::into_data) {
            Ok(Ok(data)) => {
                length += data.len();
                digest.add(&data);
            }
            Ok(Err(other)) => trailers = other.trailers_ref().map_or(Value::Null, fields),
            // Whoever asks on gets the same again.
            Err(error) => {
                broken = Some(error.to_string());
                break;
            }
        }
    }
    json!({
        "method": head.method.as_str(),
        "target": head.uri.path_and_query().map(ToString::to_string),
        "authority": head.uri.authority().map(ToString::to_string),
        "version": format!("{:?}", head.version),
        "headers": fields(&head.headers),
        "length": length,
        "digest": digest.text(),
        "trailers": trailers,
        "broken": broken,
    })
}

/// Names with the list of their values.
fn fields(of: &HeaderMap) -> Value {
    let names = of.keys().map(|name| {
        let values = of.get_all(name).iter();
        let values: Vec<_> = values
            .map(|v| String::from_utf8_lossy(v.as_bytes()))
            .collect();
        (name.to_string(), json!(values))
    });
    Value::Object(names.collect())
}

/// The pattern as a body.
struct Pattern {
    next: u64,
    end: u64,
    sized: bool,
    trailers: Option<HeaderMap>,
}

impl Pattern {
    fn exact(end: u64) -> Self {
        Self {
            next: 0,
            end,
            sized: true,
            trailers: None,
        }
    }

    fn of_any_length(end: u64) -> Self {
        Self {
            sized: false,
            ..Self::exact(end)
        }
    }
}

impl Body for Pattern {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let (from, to) = (self.next, self.end.min(self.next + PIECE));
        if from == to {
            let trailers = self.trailers.take();
            return Poll::Ready(trailers.map(|fields| Ok(Frame::trailers(fields))));
        }
        self.next = to;
        let piece: Vec<u8> = (from..to).map(byte_at).collect();
        Poll::Ready(Some(Ok(Frame::data(piece.into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.next == self.end && self.sized
    }

    fn size_hint(&self) -> SizeHint {
        if self.sized {
            SizeHint::with_exact(self.end - self.next)
        } else {
            SizeHint::new()
        }
    }
}
