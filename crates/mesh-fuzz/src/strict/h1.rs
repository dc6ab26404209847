//! Reads HTTP/1.1 as a back end, or a client, that trusts nobody (RFC 9112).

use super::{List, Wrong, is_token, is_value, length, only};

/// A message, read to its end or as far as it goes.
#[derive(Debug, PartialEq, Eq, Default)]
pub(crate) struct Message {
    /// Method, target and version; or version, status and reason.
    pub(crate) start: [Vec<u8>; 3],
    pub(crate) fields: List,
    pub(crate) body: Vec<u8>,
    /// Whether it is there to its end.
    pub(crate) whole: bool,
    /// Whether bytes of another protocol follow, or what came up to the end of the connection.
    pub(crate) open_end: bool,
}

/// How a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    None,
    Exactly(u64),
    Chunked,
    Rest,
}

/// What of a request decides how its response is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) head: bool,
    pub(crate) connect: bool,
}

/// The request at the front; `None`: its head is not complete.
pub(crate) fn request(input: &mut &[u8]) -> Result<Option<Message>, Wrong> {
    let Some((start, fields)) = head(input)? else {
        return Ok(None);
    };
    let [method, target, version] = &start;
    let visible = |byte: &u8| (0x21..0x7f).contains(byte) && *byte != b'#';
    if !is_token(method) || target.is_empty() || !target.iter().all(visible) {
        return Err("a request line of another form");
    }
    if version != b"HTTP/1.1" {
        return Err("another version than ours");
    }
    if only(&fields, b"host")?.is_none() {
        return Err("no host");
    }
    let connect = method == b"CONNECT";
    let has_form = match target.first() {
        Some(b'/') => !connect,
        Some(b'*') => target == b"*" && method == b"OPTIONS",
        _ => connect,
    };
    if !has_form {
        return Err("a target whose form its method does not have");
    }
    let framing = match framing(&fields)? {
        Framing::Rest => Framing::None,
        framing => framing,
    };
    if connect && framing != Framing::None {
        return Err("CONNECT with a body");
    }
    let open_end = connect;
    body(input, start, fields, framing, open_end).map(Some)
}

/// The response at the front; `None`: its head is not complete. `over`: the connection is closed
/// after `input`.
pub(crate) fn response(
    input: &mut &[u8],
    asked: Asked,
    over: bool,
) -> Result<Option<Message>, Wrong> {
    let Some((start, fields)) = head(input)? else {
        return Ok(None);
    };
    let [version, status, _reason] = &start;
    let digits = status.len() == 3 && status.iter().all(u8::is_ascii_digit);
    if version != b"HTTP/1.1" || !digits || !matches!(status.first(), Some(b'1'..=b'5')) {
        return Err("a status line of another form");
    }
    let framing = framing(&fields)?;
    let success = asked.connect && status.first() == Some(&b'2');
    let informational = status.first() == Some(&b'1');
    let bodiless = informational || success || status == b"204";
    if bodiless && (framing != Framing::Rest) {
        return Err("framing in a response that has no body");
    }
    let tunnel = success || status == b"101";
    let framing = match framing {
        _ if bodiless || asked.head || status == b"304" => Framing::None,
        framing => framing,
    };
    let mut message = body(input, start, fields, framing, tunnel)?;
    message.whole &= framing != Framing::Rest || over;
    Ok(Some(message))
}

/// Three parts of the first line, and the fields.
type Head = ([Vec<u8>; 3], List);

fn head(input: &mut &[u8]) -> Result<Option<Head>, Wrong> {
    let mut rest = *input;
    let Some(first) = line(&mut rest)? else {
        return Ok(None);
    };
    let mut parts = first.splitn(3, |byte| *byte == b' ').map(<[u8]>::to_vec);
    let (Some(one), Some(two), Some(three)) = (parts.next(), parts.next(), parts.next()) else {
        return Err("a first line of less than three parts");
    };
    let Some(fields) = section(&mut rest)? else {
        return Ok(None);
    };
    *input = rest;
    Ok(Some(([one, two, three], fields)))
}

/// Field lines up to the empty one.
fn section(input: &mut &[u8]) -> Result<Option<List>, Wrong> {
    let mut fields = List::new();
    loop {
        let Some(line) = line(input)? else {
            return Ok(None);
        };
        if line.is_empty() {
            return Ok(Some(fields));
        }
        let colon = line.iter().position(|byte| *byte == b':');
        let (name, value) = line
            .split_at_checked(colon.unwrap_or(0))
            .unwrap_or_default();
        let value = match value.strip_prefix(b": ") {
            Some(value) if is_token(name) && is_value(value) => value,
            Some(_) | None => return Err("a field line of another form"),
        };
        fields.push((name.to_ascii_lowercase(), value.to_vec()));
    }
}

/// A line that ends with CR LF and has neither in it.
fn line<'b>(input: &mut &'b [u8]) -> Result<Option<&'b [u8]>, Wrong> {
    let Some(end) = input.iter().position(|byte| matches!(byte, b'\r' | b'\n')) else {
        return Ok(None);
    };
    let (line, rest) = input.split_at_checked(end).unwrap_or_default();
    match rest {
        [b'\r', b'\n', rest @ ..] => {
            *input = rest;
            Ok(Some(line))
        }
        [b'\r'] => Ok(None),
        _ => Err("a bare CR or LF"),
    }
}

fn framing(fields: &List) -> Result<Framing, Wrong> {
    let coding = only(fields, b"transfer-encoding")?;
    match (only(fields, b"content-length")?, coding) {
        (None, None) => Ok(Framing::Rest),
        (Some(digits), None) => length(digits).map(Framing::Exactly),
        (None, Some(b"chunked")) => Ok(Framing::Chunked),
        (None, Some(_)) => Err("another coding than chunked"),
        (Some(_), Some(_)) => Err("both content-length and transfer-encoding"),
    }
}

fn body(
    input: &mut &[u8],
    start: [Vec<u8>; 3],
    fields: List,
    framing: Framing,
    open_end: bool,
) -> Result<Message, Wrong> {
    let mut body = Vec::new();
    let whole = match framing {
        Framing::None => true,
        Framing::Exactly(length) => {
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            let taken = input.split_off(..length.min(input.len()));
            body.extend_from_slice(taken.unwrap_or_default());
            body.len() == length
        }
        Framing::Chunked => chunked(input, &mut body)?,
        Framing::Rest => {
            body.extend_from_slice(std::mem::take(input));
            true
        }
    };
    Ok(Message {
        start,
        fields,
        body,
        whole,
        open_end,
    })
}

/// Chunks without extensions, and a trailer section; false: there is more to come.
fn chunked(input: &mut &[u8], body: &mut Vec<u8>) -> Result<bool, Wrong> {
    loop {
        let Some(size) = line(input)? else {
            return Ok(false);
        };
        let text = std::str::from_utf8(size).unwrap_or_default();
        let size = usize::from_str_radix(text, 16).map_err(|_| "a chunk size of another form")?;
        if format!("{size:x}") != text {
            return Err("a chunk size that is not in its plainest form");
        }
        if size == 0 {
            let Some(trailers) = section(input)? else {
                return Ok(false);
            };
            let framing = ["content-length", "transfer-encoding", "host"];
            let is_one = |(name, _): &(Vec<u8>, Vec<u8>)| {
                framing.iter().any(|own| own.as_bytes() == name.as_slice())
            };
            if trailers.iter().any(is_one) {
                return Err("framing or routing in a trailer section");
            }
            return Ok(true);
        }
        let taken = input.split_off(..size.min(input.len())).unwrap_or_default();
        body.extend_from_slice(taken);
        if taken.len() < size {
            return Ok(false);
        }
        match *input {
            [b'\r', b'\n', rest @ ..] => *input = rest,
            [] | [b'\r'] => return Ok(false),
            _ => return Err("a chunk that is longer than its size"),
        }
    }
}
