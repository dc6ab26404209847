//! What the paths of the test server mean.
//!
//! | path | answer |
//! |---|---|
//! | `/bytes/N`, `/chunks/N` | N bytes of the pattern, with and without a length |
//! | `/echo` | the body as it comes, and its trailers |
//! | `/seen` | JSON: how the request looked, length and sum of its body, its trailers |
//! | `/status/N` | that status, no body |
//! | `/failing/NAME` | 500 from the server of that name, 200 from others, no body |
//! | `/trailers` | a body and a trailer `x-checksum` |
//! | `/refuse` | 413 before a byte of the body is read |
//! | `/after/MS` | ten bytes, after so many milliseconds |
//! | `/abort/N` | twice as much and one byte are announced, N bytes come, then it breaks off |
//! | `/drop` | none: the connection or the stream ends |
//! | `/websocket` | an upgrade; every message comes back |
//! | `/mesh.test.Echo/Unary`, `/mesh.test.Echo/Stream` | gRPC: every message comes back |

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderValue, TRAILER};
use hyper::http::response::Parts;
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use mesh_tests::pattern::{Digest, Failure, Pattern};
use serde_json::{Value, json};

use crate::{grpc, websocket};

/// An answer whose body comes in pieces.
pub(crate) type Answer = Response<UnsyncBoxBody<Bytes, Failure>>;

/// Answers one request and says in a header which version of HTTP it came with.
///
/// # Errors
/// When it shall not be answered; the connection or the stream ends then.
pub(crate) async fn answer(request: Request<Incoming>) -> Result<Answer, Failure> {
    let version = HeaderValue::from_str(&format!("{:?}", request.version()));
    let head_only = request.method() == Method::HEAD;
    let mut answer = route(request).await?;
    if let Ok(version) = version {
        answer.headers_mut().insert("x-server-protocol", version);
    }
    if head_only {
        answer = without_body(answer);
    }
    Ok(answer)
}

async fn route(request: Request<Incoming>) -> Result<Answer, Failure> {
    let path = request.uri().path().to_owned();
    let path = path.trim_start_matches('/');
    let (kind, rest) = path.split_once('/').unwrap_or((path, ""));
    let number: u64 = rest.parse().unwrap_or(0);
    Ok(match kind {
        "bytes" => Response::new(Pattern::exact(number).boxed_unsync()),
        "chunks" => Response::new(Pattern::of_any_length(number).boxed_unsync()),
        "echo" => echo(request),
        "seen" => json(&seen(request).await),
        "status" => status(u16::try_from(number).unwrap_or(500)),
        "trailers" => trailers(),
        "refuse" => status(413),
        "after" => {
            pause(Duration::from_millis(number)).await;
            Response::new(Pattern::exact(10).boxed_unsync())
        }
        "abort" => {
            let body = Pattern::exact(2 * number + 1).broken_at(number);
            Response::new(body.boxed_unsync())
        }
        "drop" => return Err("not answered, as it was asked".into()),
        "websocket" => websocket::accept(request),
        "mesh.test.Echo" => grpc::answer(rest, request).await,
        _ => status(404),
    })
}

/// Lets some time pass: a server that works on its answer.
async fn pause(time: Duration) {
    let mut pace = tokio::time::interval(time.max(Duration::from_millis(1)));
    pace.tick().await;
    pace.tick().await;
}

/// A HEAD is answered with the length that GET would have. hyper drops bodies on HTTP/1 alone.
fn without_body(answer: Answer) -> Answer {
    let (mut head, body): (Parts, _) = answer.into_parts();
    if let Some(length) = body.size_hint().exact() {
        head.headers.insert(CONTENT_LENGTH, length.into());
    }
    Response::from_parts(head, none())
}

/// No body at all.
pub(crate) fn none() -> UnsyncBoxBody<Bytes, Failure> {
    Pattern::exact(0).boxed_unsync()
}

/// That status, no body.
pub(crate) fn status(code: u16) -> Answer {
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
    let mut answer = Response::new(body.map_err(Failure::from).boxed_unsync());
    // HTTP/1 sends the trailers that were announced.
    for name in [CONTENT_TYPE, CONTENT_LENGTH, TRAILER] {
        if let Some(value) = head.headers.get(&name) {
            answer.headers_mut().insert(name, value.clone());
        }
    }
    answer
}

fn trailers() -> Answer {
    let mut fields = HeaderMap::new();
    fields.insert("x-checksum", HeaderValue::from_static("f00d"));
    let body = Pattern::of_any_length(1000).with_trailers(fields);
    let mut answer = Response::new(body.boxed_unsync());
    let announced = HeaderValue::from_static("x-checksum");
    answer.headers_mut().insert("trailer", announced);
    answer
}

fn json(value: &Value) -> Answer {
    let body = Full::new(Bytes::from(value.to_string()));
    let body = body.map_err(|never: Infallible| match never {});
    Response::new(body.boxed_unsync())
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
