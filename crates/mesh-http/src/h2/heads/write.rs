//! Heads as header blocks (RFC 9113 8.2, 8.3).

use super::fields::{Meaning, is_trailers, number};
use crate::fields::bytes::len_before;
use crate::h2::hpack::{Encoder, Indexing};
use crate::{CannotSend, Fields, RequestHead, ResponseHead};

/// Cookies shorter than this could be guessed by trying (RFC 7541 7.1.3).
const SHORT_COOKIE: usize = 20;
/// Longer paths are taken for ones that do not come again.
const LONG_PATH: usize = 96;

/// What the fields say of the body's length.
pub(crate) fn content_length(fields: &Fields) -> Result<Option<u64>, CannotSend> {
    match fields.get("content-length") {
        None => Ok(None),
        Some(value) => match number(value) {
            Some(length) => Ok(Some(length)),
            None => Err(CannotSend::Unfit("content-length is not a number")),
        },
    }
}

/// Writes a request; of CONNECT method and authority only.
pub(crate) fn write_request(encoder: &mut Encoder, out: &mut Vec<u8>, head: &RequestHead) {
    let is_connect = head.method == "CONNECT";
    let mut pseudo = |name: &[u8], value: &[u8], how| {
        let how = match head.secret_target {
            true => Indexing::Never,
            false => how,
        };
        encoder.field(out, name, value, how);
    };
    pseudo(b":method", head.method.as_bytes(), Indexing::Indexed);
    if !is_connect {
        pseudo(
            b":scheme",
            head.scheme.as_str().as_bytes(),
            Indexing::Indexed,
        );
    }
    if !head.authority.is_empty() {
        pseudo(b":authority", head.authority.as_bytes(), Indexing::Indexed);
    }
    if !is_connect {
        let path = without_fragment(head.path.as_bytes());
        pseudo(b":path", path, indexing_of_path(path));
    }
    let has = Has {
        length: !is_connect,
        te: true,
    };
    write_fields(encoder, out, &head.fields, has);
}

/// Writes a response.
pub(crate) fn write_response(
    encoder: &mut Encoder,
    out: &mut Vec<u8>,
    head: &ResponseHead,
    has_length: bool,
) {
    let [hundreds, tens, ones] = [
        head.status / 100 % 10,
        head.status / 10 % 10,
        head.status % 10,
    ]
    .map(|digit| b'0' + u8::try_from(digit).unwrap_or(0));
    let status = [hundreds, tens, ones];
    encoder.field(out, b":status", &status, Indexing::Indexed);
    let has = Has {
        length: has_length,
        te: false,
    };
    write_fields(encoder, out, &head.fields, has);
}

/// Writes trailers.
pub(crate) fn write_trailers(encoder: &mut Encoder, out: &mut Vec<u8>, fields: &Fields) {
    encoder.begin_trailers();
    let has = Has {
        length: false,
        te: false,
    };
    write_fields(encoder, out, fields, has);
}

/// What a section may have.
#[derive(Debug, Clone, Copy)]
struct Has {
    /// `content-length`.
    length: bool,
    /// `te`, which requests alone have (RFC 9113 8.2.2).
    te: bool,
}

fn write_fields(encoder: &mut Encoder, out: &mut Vec<u8>, fields: &Fields, has: Has) {
    for (field, name_len, secret) in fields.iter_whole() {
        // What was sent as one to be indexed is neither left out nor sent in another way.
        if !secret && encoder.again(out, field, name_len) {
            continue;
        }
        let (name, mut value) = field.split_at_checked(name_len).unwrap_or_default();
        match Meaning::of(name) {
            // `:authority` says it (RFC 9113 8.3.1).
            Meaning::Host | Meaning::Connection => continue,
            // In any case of letters before, in the one of the RFC behind us.
            Meaning::Te if has.te && is_trailers(value) => value = b"trailers",
            Meaning::Te => continue,
            Meaning::ContentLength if !has.length => continue,
            Meaning::Plain | Meaning::ContentLength | Meaning::Cookie => {}
        }
        let how = match secret {
            true => Indexing::Never,
            false => indexing(name, value),
        };
        encoder.field(out, name, value, how);
    }
}

/// RFC 9113 8.3.1: `:path` is path and query.
fn without_fragment(path: &[u8]) -> &[u8] {
    path.get(..len_before(path, b'#')).unwrap_or_default()
}

fn indexing_of_path(path: &[u8]) -> Indexing {
    if path.len() > LONG_PATH || len_before(path, b'?') < path.len() {
        Indexing::NotIndexed
    } else {
        Indexing::Indexed
    }
}

/// Whether a field is worth a place in the table, or must not get one.
fn indexing(name: &[u8], value: &[u8]) -> Indexing {
    match name {
        b"authorization" | b"proxy-authorization" => Indexing::Never,
        b"cookie" if value.len() < SHORT_COOKIE => Indexing::Never,
        // One connection carries many users' cookies.
        b"cookie" | b"set-cookie" => Indexing::NotIndexed,
        b"age"
        | b"content-length"
        | b"content-range"
        | b"date"
        | b"etag"
        | b"grpc-message"
        | b"grpc-timeout"
        | b"if-modified-since"
        | b"if-none-match"
        | b"last-modified"
        | b"location"
        | b"range"
        | b"traceparent"
        | b"tracestate"
        | b"x-b3-parentspanid"
        | b"x-b3-spanid"
        | b"x-b3-traceid"
        | b"x-envoy-upstream-service-time"
        | b"x-request-id" => Indexing::NotIndexed,
        _ => Indexing::Indexed,
    }
}
