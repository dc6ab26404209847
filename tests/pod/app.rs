//! What the application on port 8080 answers, by HTTP/1.1 and HTTP/2.
//!
//! | path | answer |
//! |---|---|
//! | `/status/N` | that status |
//! | `/grpc.health.v1.Health/Check` | gRPC: serving |
//! | any other | JSON: `pod`, `version`, `path`, `headers` of the request |

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Request, Response, StatusCode};
use serde_json::{Map, Value, json};

use crate::Answer;

/// A message of gRPC without compression: HealthCheckResponse with status SERVING.
const SERVING: &[u8] = &[0, 0, 0, 0, 2, 8, 1];

/// Answers one request.
pub(crate) fn answer(request: &Request<Incoming>) -> Answer {
    let path = request.uri().path();
    if path == "/grpc.health.v1.Health/Check" {
        return healthy();
    }
    let status = path.strip_prefix("/status/");
    let status = status.and_then(|number| StatusCode::from_bytes(number.as_bytes()).ok());
    let seen = json!({
        "pod": variable("HOSTNAME"),
        "version": variable("VERSION"),
        "path": path,
        "headers": headers(request),
    });
    let mut answer = json_answer(&seen);
    *answer.status_mut() = status.unwrap_or(StatusCode::OK);
    answer
}

/// An answer that is JSON.
pub(crate) fn json_answer(value: &Value) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(value.to_string())));
    let json = HeaderValue::from_static("application/json");
    answer.headers_mut().insert(CONTENT_TYPE, json);
    answer
}

/// The status of a call that went well may stand in the head when no trailers follow.
fn healthy() -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from_static(SERVING)));
    let fields = answer.headers_mut();
    fields.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    fields.insert("grpc-status", HeaderValue::from_static("0"));
    answer
}

fn headers(request: &Request<Incoming>) -> Value {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let fields = request.headers().iter();
    let fields = fields.map(|(name, value)| (name.to_string(), Value::from(text(value))));
    Value::Object(fields.collect::<Map<String, Value>>())
}

fn variable(name: &str) -> Option<String> {
    mesh_runtime::settings::environment(name)
}
