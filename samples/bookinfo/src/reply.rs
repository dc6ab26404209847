//! Answers, short to write.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, LOCATION};
use http::{Response, StatusCode};
use serde_json::{Value, json};

/// A whole answer.
pub(crate) type Reply = Response<Bytes>;

/// Any text with its type.
pub(crate) fn body(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(body.into());
    *reply.status_mut() = status;
    let kind = HeaderValue::from_static(kind);
    reply.headers_mut().insert(CONTENT_TYPE, kind);
    reply
}

/// A JSON value.
pub(crate) fn json(status: StatusCode, value: &Value) -> Reply {
    body(status, "application/json", value.to_string())
}

/// `{"error": text}`.
pub(crate) fn error(status: StatusCode, text: &str) -> Reply {
    json(status, &json!({ "error": text }))
}

/// A page.
pub(crate) fn html(page: String) -> Reply {
    body(StatusCode::OK, "text/html; charset=utf-8", page)
}

/// Plain text.
pub(crate) fn text(status: StatusCode, text: &'static str) -> Reply {
    body(status, "text/plain; charset=utf-8", text)
}

/// There is no such page.
pub(crate) fn not_found() -> Reply {
    text(StatusCode::NOT_FOUND, "no such page\n")
}

/// The page exists, but not for this method.
pub(crate) fn method_not_allowed() -> Reply {
    text(StatusCode::METHOD_NOT_ALLOWED, "method not allowed\n")
}

/// Go there (302, as Flask's redirect).
pub(crate) fn redirect(location: HeaderValue) -> Reply {
    let mut reply = text(StatusCode::FOUND, "");
    reply.headers_mut().insert(LOCATION, location);
    reply
}
