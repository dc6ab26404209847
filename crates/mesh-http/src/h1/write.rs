//! Writes heads and bodies (RFC 9112 3 to 7).
//!
//! Everything goes straight into the output; what turns out to be unfit is taken back before
//! anybody saw it.

use super::body::is_for_heads;
use super::meaning::{Known, Meaning};
use super::target::Authority;
use crate::fields::bytes::{target_len, token_len};
use crate::{CannotSend, Fields, RequestHead, ResponseHead, Version};

/// How the body under way is delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// The message has no body whatever is sent (HEAD, 204, 304).
    Nothing,
    /// So many bytes are still owed.
    Exactly(u64),
    Chunked,
    UntilClose,
    /// Not HTTP any more.
    Tunnel,
}

/// What a message is after a piece of its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// More may come.
    Open,
    /// Complete.
    Whole,
    /// It ended too early: only closing the connection tells the peer.
    Broken,
}

impl Framing {
    /// Writes a piece of a body.
    pub(super) fn send(
        &mut self,
        out: &mut Vec<u8>,
        bytes: &[u8],
        end: bool,
    ) -> Result<Sent, CannotSend> {
        match self {
            Self::Nothing => {}
            Self::Exactly(owed) => {
                let left = owed.checked_sub(bytes.len() as u64);
                *owed = left.ok_or(CannotSend::Unfit(
                    "RFC 9110 8.6: the body is longer than its content-length",
                ))?;
                out.extend_from_slice(bytes);
            }
            Self::Chunked => write_chunk(out, bytes, end),
            Self::UntilClose | Self::Tunnel => out.extend_from_slice(bytes),
        }
        Ok(self.sent(end))
    }

    /// Ends a body with a trailer section, where its framing has room for one.
    pub(super) fn send_trailers(self, out: &mut Vec<u8>, fields: &Fields) -> Sent {
        if self == Self::Chunked {
            out.extend_from_slice(b"0\r\n");
            for (name, value) in fields.iter_raw() {
                if Known::of(name) == Known::Other && !is_for_heads(name) {
                    write_field(out, name, value);
                }
            }
            out.extend_from_slice(b"\r\n");
        }
        self.sent(true)
    }

    fn sent(self, end: bool) -> Sent {
        match self {
            _ if !end => Sent::Open,
            Self::Exactly(1..) => Sent::Broken,
            Self::Nothing | Self::Exactly(0) | Self::Chunked | Self::UntilClose | Self::Tunnel => {
                Sent::Whole
            }
        }
    }
}

/// What was decided while a head was written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Written {
    pub(super) framing: Framing,
    /// Whether the connection stays after the message.
    pub(super) keep: bool,
    /// Whether the message asks for another protocol.
    pub(super) upgrade: bool,
}

/// Writes a request's head.
pub(super) fn request(
    out: &mut Vec<u8>,
    head: &RequestHead,
    keep: bool,
    end: bool,
) -> Result<Written, CannotSend> {
    let start = out.len();
    let written = try_request(out, head, keep, end);
    if written.is_err() {
        out.truncate(start);
    }
    written
}

fn try_request(
    out: &mut Vec<u8>,
    head: &RequestHead,
    keep: bool,
    end: bool,
) -> Result<Written, CannotSend> {
    let connect = head.method == "CONNECT";
    write_request_line(out, head, connect)?;
    write_field(out, b"host", head.authority.as_bytes());
    let meaning = write_fields(out, &head.fields, !connect, false)?;
    let framing = match meaning.length {
        _ if connect => Framing::Tunnel,
        Some(1..) if end => return Err(ENDS_EARLY),
        Some(length) => Framing::Exactly(length),
        None if !end => {
            out.extend_from_slice(b"transfer-encoding: chunked\r\n");
            Framing::Chunked
        }
        None => {
            // RFC 9110 8.6: where a body is expected, its absence is told.
            if matches!(head.method.as_str(), "POST" | "PUT" | "PATCH") {
                out.extend_from_slice(b"content-length: 0\r\n");
            }
            Framing::Nothing
        }
    };
    let keep = keep && !meaning.close;
    let upgrade = meaning.is_upgrade();
    let close = if keep { "" } else { "close" };
    write_connection(out, &head.fields, &meaning, close);
    out.extend_from_slice(b"\r\n");
    Ok(Written {
        framing,
        keep,
        upgrade,
    })
}

fn write_request_line(
    out: &mut Vec<u8>,
    head: &RequestHead,
    connect: bool,
) -> Result<(), CannotSend> {
    let method = head.method.as_bytes();
    if method.is_empty() || token_len(method) != method.len() {
        return Err(CannotSend::Unfit("RFC 9110 9.1: the method is not a token"));
    }
    let authority = head.authority.as_bytes();
    let host = Authority::parse(authority);
    if host.is_none() && !authority.is_empty() {
        return Err(CannotSend::Unfit(
            "RFC 9110 7.2: the authority is not a host with a port",
        ));
    }
    // RFC 9112 3.2: a fragment is no part of a request target.
    let path = head.path.split('#').next().unwrap_or_default();
    let has_form = path.starts_with('/') || (path == "*" && head.method == "OPTIONS");
    let target = match connect {
        true if host.is_some_and(|host| host.has_port) => authority,
        true => {
            return Err(CannotSend::Unfit(
                "RFC 9112 3.2.3: the target of CONNECT is not host and port",
            ));
        }
        false if has_form => path.as_bytes(),
        false => {
            return Err(CannotSend::Unfit(
                "RFC 9112 3.2: the path does not begin with a slash",
            ));
        }
    };
    if target.is_empty() || target_len(target) != target.len() {
        return Err(CannotSend::Unfit(
            "RFC 9112 3.2: the request target has a byte that it cannot have",
        ));
    }
    out.reserve(method.len() + target.len() + authority.len() + head.fields.size() + 128);
    out.extend_from_slice(method);
    out.push(b' ');
    out.extend_from_slice(target);
    out.extend_from_slice(b" HTTP/1.1\r\n");
    Ok(())
}

/// Whom a response is for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answer {
    /// The version of the request.
    pub(super) version: Version,
    /// Whether the request's method was HEAD.
    pub(super) to_head: bool,
    /// Whether the connection may stay after it.
    pub(super) keep: bool,
    /// Whether the head is all of it.
    pub(super) end: bool,
    /// Whether the connection becomes a tunnel with it.
    pub(super) tunnel: bool,
}

/// Writes the head of a final response, or of 101.
pub(super) fn response(
    out: &mut Vec<u8>,
    head: &ResponseHead,
    answer: Answer,
) -> Result<Written, CannotSend> {
    let start = out.len();
    let written = try_response(out, head, answer);
    if written.is_err() {
        out.truncate(start);
    }
    written
}

fn try_response(
    out: &mut Vec<u8>,
    head: &ResponseHead,
    answer: Answer,
) -> Result<Written, CannotSend> {
    write_status_line(out, head)?;
    // RFC 9110 8.6: neither 1xx, 204 nor a 2xx to CONNECT has a length.
    let has_length = !answer.tunnel && head.status != 204;
    let meaning = write_fields(out, &head.fields, has_length, true)?;
    let bodiless = answer.to_head || matches!(head.status, 204 | 304);
    let framing = match meaning.length {
        _ if answer.tunnel => Framing::Tunnel,
        _ if bodiless => Framing::Nothing,
        Some(1..) if answer.end => return Err(ENDS_EARLY),
        Some(length) => Framing::Exactly(length),
        None if answer.end => {
            out.extend_from_slice(b"content-length: 0\r\n");
            Framing::Nothing
        }
        None if answer.version == Version::Http10 => Framing::UntilClose,
        None => {
            out.extend_from_slice(b"transfer-encoding: chunked\r\n");
            Framing::Chunked
        }
    };
    let keep = answer.keep && !meaning.close && framing != Framing::UntilClose;
    let own = match answer {
        Answer { tunnel: true, .. } => "",
        _ if !keep => "close",
        // RFC 9112 9.3: an older client must be told.
        Answer {
            version: Version::Http10,
            ..
        } => "keep-alive",
        _ => "",
    };
    write_connection(out, &head.fields, &meaning, own);
    out.extend_from_slice(b"\r\n");
    Ok(Written {
        framing,
        keep,
        upgrade: meaning.is_upgrade(),
    })
}

/// Writes an informational response other than 101 (RFC 9110 15.2): it has fields, but no body and
/// nothing to say of the connection.
pub(super) fn interim(out: &mut Vec<u8>, head: &ResponseHead) -> Result<(), CannotSend> {
    let start = out.len();
    let written =
        write_status_line(out, head).and_then(|()| write_fields(out, &head.fields, false, true));
    match written {
        Ok(_) => out.extend_from_slice(b"\r\n"),
        Err(_) => out.truncate(start),
    }
    written.map(drop)
}

const ENDS_EARLY: CannotSend =
    CannotSend::Unfit("RFC 9110 8.6: a content-length is announced, but no body");

fn write_status_line(out: &mut Vec<u8>, head: &ResponseHead) -> Result<(), CannotSend> {
    if !(100..=599).contains(&head.status) {
        return Err(CannotSend::Unfit(
            "RFC 9110 15: the status is not between 100 and 599",
        ));
    }
    out.reserve(head.fields.size() + 128);
    out.extend_from_slice(b"HTTP/1.1 ");
    write_decimal(out, u64::from(head.status));
    out.push(b' ');
    out.extend_from_slice(reason(head.status).as_bytes());
    out.extend_from_slice(b"\r\n");
    Ok(())
}

/// Writes the fields that are not the codec's own, and tells what those say (RFC 9112 6 and 9).
fn write_fields(
    out: &mut Vec<u8>,
    fields: &Fields,
    has_length: bool,
    is_response: bool,
) -> Result<Meaning, CannotSend> {
    let mut meaning = Meaning::default();
    for (name, value) in fields.iter_raw() {
        let known = Known::of(name);
        let write = match known {
            Known::Other => true,
            Known::Host => is_response,
            Known::ContentLength => has_length && meaning.length.is_none(),
            Known::TransferEncoding
            | Known::Connection
            | Known::Upgrade
            | Known::Te
            | Known::KeepAlive
            | Known::ProxyConnection => false,
        };
        if known != Known::Other && known != Known::TransferEncoding {
            meaning.note(known, value);
        }
        if write {
            write_field(out, name, value);
        }
    }
    match meaning.fault {
        Some(fault) => Err(CannotSend::Unfit(fault.why)),
        None => Ok(meaning),
    }
}

/// Writes the fields of this connection only: what we say of it, the upgrade, and that trailers are
/// welcome (RFC 9110 7.6.1, 7.8 and 10.1.4).
fn write_connection(out: &mut Vec<u8>, fields: &Fields, meaning: &Meaning, own: &str) {
    let upgrade = meaning.is_upgrade();
    let options = [
        (!own.is_empty(), own),
        (upgrade, "upgrade"),
        (meaning.takes_trailers, "te"),
    ];
    if upgrade {
        for value in fields.get_all("upgrade") {
            write_field(out, b"upgrade", value);
        }
    }
    if meaning.takes_trailers {
        write_field(out, b"te", b"trailers");
    }
    let mut before: &[u8] = b"connection: ";
    for (_, option) in options.iter().filter(|(said, _)| *said) {
        out.extend_from_slice(before);
        out.extend_from_slice(option.as_bytes());
        before = b", ";
    }
    if before == b", " {
        out.extend_from_slice(b"\r\n");
    }
}

#[inline]
fn write_field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// RFC 9112 7.1; a chunk without data would be the last.
fn write_chunk(out: &mut Vec<u8>, bytes: &[u8], end: bool) {
    out.reserve(bytes.len() + 32);
    if !bytes.is_empty() {
        write_number(out, bytes.len() as u64, 16);
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(bytes);
        out.extend_from_slice(b"\r\n");
    }
    if end {
        out.extend_from_slice(b"0\r\n\r\n");
    }
}

fn write_decimal(out: &mut Vec<u8>, number: u64) {
    write_number(out, number, 10);
}

/// Writes the digits of a number without a detour over a string.
fn write_number(out: &mut Vec<u8>, mut number: u64, base: u32) {
    let mut digits = [0_u8; 20];
    let mut len = 0;
    for place in digits.iter_mut().rev() {
        let digit = u32::try_from(number % u64::from(base)).unwrap_or_default();
        *place = char::from_digit(digit, base).map_or(b'0', |c| c as u8);
        number /= u64::from(base);
        len += 1;
        if number == 0 {
            break;
        }
    }
    let start = digits.len() - len;
    out.extend_from_slice(digits.get(start..).unwrap_or_default());
}

/// The reason phrases of the registry (RFC 9110 15 and what was registered since).
fn reason(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        101 => "Switching Protocols",
        102 => "Processing",
        103 => "Early Hints",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        203 => "Non-Authoritative Information",
        204 => "No Content",
        205 => "Reset Content",
        206 => "Partial Content",
        207 => "Multi-Status",
        208 => "Already Reported",
        226 => "IM Used",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        305 => "Use Proxy",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        423 => "Locked",
        424 => "Failed Dependency",
        425 => "Too Early",
        426 => "Upgrade Required",
        428 => "Precondition Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        451 => "Unavailable For Legal Reasons",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        506 => "Variant Also Negotiates",
        507 => "Insufficient Storage",
        508 => "Loop Detected",
        511 => "Network Authentication Required",
        _ => "",
    }
}
