//! Reads HTTP/2 frames as a peer that trusts nobody (RFC 9113), with a decoder of HPACK that is not
//! ours.

use std::collections::{BTreeMap, BTreeSet};

use super::{List, Wrong, is_token, is_value, length, only};
use crate::frames::{self, Frame, PREFACE};

/// One direction of a connection.
#[derive(Debug)]
pub(crate) struct Reader {
    from_client: bool,
    has_begun: bool,
    hpack: httlib_hpack::Decoder<'static>,
    pub(crate) streams: BTreeMap<u32, Stream>,
    /// The stream of an unfinished header block, the block, and whether it ends its stream.
    block: Option<(u32, Vec<u8>, bool)>,
    highest: u32,
    /// Streams whose length says nothing of their body: answers to HEAD.
    pub(crate) lengthless: BTreeSet<u32>,
}

/// What came on a stream.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Stream {
    /// Every header list: interim heads, the head, trailers.
    pub(crate) lists: Vec<List>,
    pub(crate) body: Vec<u8>,
    pub(crate) ended: bool,
    pub(crate) reset: bool,
    /// Bytes may be of another protocol, or the answer to HEAD: a length says nothing.
    pub(crate) lengthless: bool,
    head_is_final: bool,
}

impl Stream {
    /// The head: the first list that is no informational response.
    pub(crate) fn head(&self) -> Option<&List> {
        let is_interim = |list: &&List| {
            let status = list.iter().find(|(name, _)| name == b":status");
            status.is_some_and(|(_, value)| value.starts_with(b"1"))
        };
        self.lists.iter().find(|list| !is_interim(list))
    }
}

impl Reader {
    pub(crate) fn new(from_client: bool) -> Self {
        Self {
            from_client,
            has_begun: false,
            hpack: httlib_hpack::Decoder::with_dynamic_size(4096),
            streams: BTreeMap::new(),
            block: None,
            highest: 0,
            lengthless: BTreeSet::new(),
        }
    }

    /// Reads what was written since the last call: whole frames. Gives the frames for whoever
    /// counts them.
    pub(crate) fn read<'b>(&mut self, mut bytes: &'b [u8]) -> Result<Vec<Frame<'b>>, Wrong> {
        let mut read = Vec::new();
        if bytes.is_empty() {
            return Ok(read);
        }
        if !self.has_begun && self.from_client {
            bytes = bytes.strip_prefix(PREFACE).ok_or("no preface")?;
        }
        while !bytes.is_empty() {
            let frame = frames::take(&mut bytes).ok_or("the output ends within a frame")?;
            if !std::mem::replace(&mut self.has_begun, true) && frame.kind != frames::SETTINGS {
                return Err("the first frame is not SETTINGS");
            }
            self.frame(&frame)?;
            read.push(frame);
        }
        match self.block {
            Some(_) => Err("the output ends within a header block"),
            None => Ok(read),
        }
    }

    fn frame(&mut self, frame: &Frame<'_>) -> Result<(), Wrong> {
        if self.block.is_some() != (frame.kind == frames::CONTINUATION) {
            return Err("a header block is interrupted, or goes on where there is none");
        }
        let is_of_stream = matches!(
            frame.kind,
            frames::DATA | frames::HEADERS | frames::RST_STREAM | frames::CONTINUATION
        );
        let is_of_connection =
            matches!(frame.kind, frames::SETTINGS | frames::PING | frames::GOAWAY);
        if is_of_stream == (frame.stream == 0) && (is_of_stream || is_of_connection) {
            return Err("a frame on a stream where it has no place");
        }
        match frame.kind {
            frames::DATA => self.data(frame),
            frames::HEADERS => {
                let block = frame.payload.to_vec();
                self.block = Some((frame.stream, block, frame.has(frames::END_STREAM)));
                self.end_block(frame)
            }
            frames::CONTINUATION => {
                if let Some((stream, block, _)) = &mut self.block {
                    block.extend_from_slice(frame.payload);
                    if *stream != frame.stream {
                        return Err("CONTINUATION of another stream");
                    }
                }
                self.end_block(frame)
            }
            frames::RST_STREAM => {
                self.streams.entry(frame.stream).or_default().reset = true;
                Ok(())
            }
            frames::PRIORITY | frames::PUSH_PROMISE => Err("a frame that we never send"),
            frames::SETTINGS | frames::PING | frames::GOAWAY | frames::WINDOW_UPDATE => Ok(()),
            _ => Err("a frame of an unknown type"),
        }
    }

    fn data(&mut self, frame: &Frame<'_>) -> Result<(), Wrong> {
        let stream = self.streams.get_mut(&frame.stream);
        let stream = stream.ok_or("DATA on a stream that is idle")?;
        if stream.ended || stream.reset || stream.head().is_none() {
            return Err("DATA on a stream where none may come");
        }
        stream.body.extend_from_slice(frame.payload);
        if frame.has(frames::END_STREAM) {
            return end(stream);
        }
        Ok(())
    }

    fn end_block(&mut self, frame: &Frame<'_>) -> Result<(), Wrong> {
        if !frame.has(frames::END_HEADERS) {
            return Ok(());
        }
        let Some((id, mut block, ends)) = self.block.take() else {
            return Ok(());
        };
        let mut fields = Vec::new();
        let decoded = self.hpack.decode(&mut block, &mut fields);
        decoded.map_err(|_| "a header block that others cannot decode")?;
        let list: List = fields.into_iter().map(|(n, v, _)| (n, v)).collect();
        if self.from_client && !self.streams.contains_key(&id) {
            if id.is_multiple_of(2) || id <= self.highest {
                return Err("a stream of an identifier that may not be opened");
            }
            self.highest = id;
        }
        let lengthless = self.lengthless.contains(&id);
        let stream = self.streams.entry(id).or_default();
        stream.lengthless |= lengthless;
        if stream.ended || stream.reset {
            return Err("HEADERS on a stream that is over");
        }
        if stream.head_is_final {
            if !ends || list.iter().any(|(name, _)| name.starts_with(b":")) {
                return Err("trailers that do not end the stream, or are none");
            }
        } else if self.from_client {
            stream.lengthless |= check_request(&list)?;
            stream.head_is_final = true;
        } else {
            let interim = check_response(&list)?;
            if interim && ends {
                return Err("an informational response that ends its stream");
            }
            stream.head_is_final = !interim;
            let status = only(&list, b":status")?;
            stream.lengthless |= status == Some(b"304");
        }
        check_fields(&list)?;
        stream.lists.push(list);
        if ends { end(stream) } else { Ok(()) }
    }
}

/// RFC 9113 8.1.1
fn end(stream: &mut Stream) -> Result<(), Wrong> {
    stream.ended = true;
    let announced = match stream.head() {
        Some(list) => only(list, b"content-length")?.map(length).transpose()?,
        None => None,
    };
    match announced {
        Some(length) if !stream.lengthless && length != stream.body.len() as u64 => {
            Err("a body of another length than announced")
        }
        Some(_) | None => Ok(()),
    }
}

/// RFC 9113 8.3.1; whether it is CONNECT.
fn check_request(list: &List) -> Result<bool, Wrong> {
    let pseudo = |name: &[u8]| only(list, name);
    let method = pseudo(b":method")?.ok_or("no :method")?;
    if !is_token(method) {
        return Err(":method is no token");
    }
    let (scheme, path) = (pseudo(b":scheme")?, pseudo(b":path")?);
    if method == b"CONNECT" {
        return match (scheme, path, pseudo(b":authority")?) {
            (None, None, Some(_)) => Ok(true),
            _ => Err("CONNECT is not method and authority"),
        };
    }
    let path = path.ok_or("no :path")?;
    let visible = |byte: &u8| (0x21..0x7f).contains(byte) && *byte != b'#';
    if !matches!(scheme, Some(b"http" | b"https")) {
        return Err(":scheme is not the web's");
    }
    if !path.iter().all(visible) || !(path.starts_with(b"/") || path == b"*") {
        return Err(":path is none");
    }
    Ok(false)
}

/// RFC 9113 8.3.2; whether it is informational.
fn check_response(list: &List) -> Result<bool, Wrong> {
    let status = only(list, b":status")?.ok_or("no :status")?;
    if status.len() != 3 || !status.iter().all(u8::is_ascii_digit) || status == b"101" {
        return Err(":status is none of HTTP/2");
    }
    Ok(status.starts_with(b"1"))
}

/// RFC 9113 8.2 and 8.3
fn check_fields(list: &List) -> Result<(), Wrong> {
    let mut regular = false;
    for (name, value) in list {
        let is_pseudo = name.starts_with(b":");
        regular |= !is_pseudo;
        if is_pseudo && regular {
            return Err("a pseudo-header field behind regular ones");
        }
        let plain = if is_pseudo {
            name.get(1..)
        } else {
            Some(name.as_slice())
        };
        let plain = plain.unwrap_or_default();
        if !is_token(plain) || plain.iter().any(u8::is_ascii_uppercase) || !is_value(value) {
            return Err("a field of another form");
        }
        let of_connection: [&[u8]; 5] = [
            b"connection",
            b"keep-alive",
            b"proxy-connection",
            b"transfer-encoding",
            b"upgrade",
        ];
        if of_connection.contains(&name.as_slice()) || (name == b"te" && value != b"trailers") {
            return Err("a field of one connection");
        }
    }
    only(list, b"content-length").map(|_| ())
}
