//! Frames made by hand, and a codec that is fed with them.

use std::time::Instant;

use crate::h2::frame::{FrameHeader, Kind, PREFACE, put};
use crate::h2::{Client, Limits, Server};
use crate::{BodyLength, ErrorCode, Event, Fault, FaultKind, RequestHead, ResponseHead, StreamId};

/// A moment to count from.
pub(super) fn start() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "only differences count")]
    Instant::now()
}

pub(super) fn frame(kind: Kind, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out, kind, flags, stream, payload);
    out
}

/// A header block without compression.
pub(super) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in fields {
        out.push(0);
        string(&mut out, name.as_bytes());
        string(&mut out, value.as_bytes());
    }
    out
}

fn string(out: &mut Vec<u8>, text: &[u8]) {
    let mut rest = text.len();
    if rest < 127 {
        out.push(rest as u8);
    } else {
        out.push(127);
        rest -= 127;
        while rest >= 128 {
            out.push((rest % 128) as u8 | 128);
            rest /= 128;
        }
        out.push(rest as u8);
    }
    out.extend_from_slice(text);
}

pub(super) const GET: &[(&str, &str)] = &[
    (":method", "GET"),
    (":scheme", "http"),
    (":authority", "a"),
    (":path", "/"),
];

pub(super) const POST: &[(&str, &str)] = &[
    (":method", "POST"),
    (":scheme", "http"),
    (":authority", "a"),
    (":path", "/"),
];

pub(super) fn with<'a>(
    head: &[(&'a str, &'a str)],
    more: &[(&'a str, &'a str)],
) -> Vec<(&'a str, &'a str)> {
    [head, more].concat()
}

/// HEADERS with END_HEADERS.
pub(super) fn headers(stream: u32, end: bool, fields: &[(&str, &str)]) -> Vec<u8> {
    frame(Kind::Headers, 0x4 | u8::from(end), stream, &block(fields))
}

pub(super) fn get(stream: u32) -> Vec<u8> {
    headers(stream, true, GET)
}

pub(super) fn post(stream: u32) -> Vec<u8> {
    headers(stream, false, POST)
}

pub(super) fn data(stream: u32, end: bool, bytes: &[u8]) -> Vec<u8> {
    frame(Kind::Data, u8::from(end), stream, bytes)
}

pub(super) fn window_update(stream: u32, increment: u32) -> Vec<u8> {
    frame(Kind::WindowUpdate, 0, stream, &increment.to_be_bytes())
}

pub(super) fn rst(stream: u32, code: ErrorCode) -> Vec<u8> {
    frame(Kind::Reset, 0, stream, &code.0.to_be_bytes())
}

pub(super) fn settings(values: &[(u16, u32)]) -> Vec<u8> {
    let mut payload = Vec::new();
    for (id, value) in values {
        payload.extend_from_slice(&id.to_be_bytes());
        payload.extend_from_slice(&value.to_be_bytes());
    }
    frame(Kind::Settings, 0, 0, &payload)
}

pub(super) fn settings_ack() -> Vec<u8> {
    frame(Kind::Settings, 1, 0, &[])
}

pub(super) fn go_away(last: u32, code: ErrorCode) -> Vec<u8> {
    let payload = [last.to_be_bytes(), code.0.to_be_bytes()].concat();
    frame(Kind::GoAway, 0, 0, &payload)
}

/// An event that owns what is in it, or the end of the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seen {
    Head(StreamId, BodyLength),
    Interim(StreamId),
    Data(StreamId, Vec<u8>, bool),
    Trailers(StreamId),
    Reset(StreamId, ErrorCode, bool),
    Broken(StreamId, FaultKind),
    Window(Option<StreamId>),
    GoingAway,
    Over(FaultKind),
}

impl From<Event<'_>> for Seen {
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::Head { stream, body } => Self::Head(stream, body),
            Event::Interim { stream } => Self::Interim(stream),
            Event::Data { stream, bytes, end } => Self::Data(stream, bytes.to_vec(), end),
            Event::Trailers { stream } => Self::Trailers(stream),
            Event::Reset {
                stream,
                code,
                processed,
            } => Self::Reset(stream, code, processed),
            Event::Broken { stream, fault } => Self::Broken(stream, fault.kind),
            Event::Window { stream } => Self::Window(stream),
            Event::GoingAway => Self::GoingAway,
        }
    }
}

/// A frame that the codec wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrote {
    pub(super) kind: Kind,
    pub(super) flags: u8,
    pub(super) stream: u32,
    pub(super) payload: Vec<u8>,
}

pub(super) fn frames(mut bytes: &[u8]) -> Vec<Wrote> {
    bytes = bytes.strip_prefix(PREFACE.as_slice()).unwrap_or(bytes);
    let mut found = Vec::new();
    while let Some((header, rest)) = bytes.split_first_chunk::<9>() {
        let header = FrameHeader::parse(header);
        let (payload, rest) = rest.split_at(header.length as usize);
        bytes = rest;
        found.push(Wrote {
            kind: header.kind,
            flags: header.flags,
            stream: header.stream,
            payload: payload.to_vec(),
        });
    }
    assert!(bytes.is_empty(), "the output ends within a frame");
    found
}

/// What a tested codec has in common for these tests.
pub(super) trait Codec {
    type Head: Default;
    fn next<'b>(
        &mut self,
        now: Instant,
        input: &mut &'b [u8],
        head: &mut Self::Head,
    ) -> Result<Option<Event<'b>>, Fault>;
    fn output(&mut self) -> &mut crate::Output;
}

impl Codec for Server {
    type Head = RequestHead;
    fn next<'b>(
        &mut self,
        now: Instant,
        input: &mut &'b [u8],
        head: &mut RequestHead,
    ) -> Result<Option<Event<'b>>, Fault> {
        self.next(now, input, head)
    }
    fn output(&mut self) -> &mut crate::Output {
        self.output()
    }
}

impl Codec for Client {
    type Head = ResponseHead;
    fn next<'b>(
        &mut self,
        now: Instant,
        input: &mut &'b [u8],
        head: &mut ResponseHead,
    ) -> Result<Option<Event<'b>>, Fault> {
        self.next(now, input, head)
    }
    fn output(&mut self) -> &mut crate::Output {
        self.output()
    }
}

/// A codec and its head.
pub(super) struct Fed<C: Codec> {
    pub(super) codec: C,
    pub(super) head: C::Head,
    pub(super) now: Instant,
    pub(super) why: &'static str,
}

impl<C: Codec> Fed<C> {
    fn new(codec: C) -> Self {
        Self {
            codec,
            head: C::Head::default(),
            now: start(),
            why: "",
        }
    }

    /// Shows bytes and returns what came of them. All of them must be consumed.
    #[track_caller]
    pub(super) fn feed(&mut self, bytes: impl AsRef<[u8]>) -> Vec<Seen> {
        let mut rest = bytes.as_ref();
        let mut seen = Vec::new();
        loop {
            match self.codec.next(self.now, &mut rest, &mut self.head) {
                Ok(Some(event)) => seen.push(event.into()),
                Ok(None) => break,
                Err(fault) => {
                    self.why = fault.why;
                    seen.push(Seen::Over(fault.kind));
                    return seen;
                }
            }
        }
        assert!(rest.is_empty(), "bytes are left: {rest:?}");
        seen
    }

    /// What the codec wrote since it was asked last.
    pub(super) fn wrote(&mut self) -> Vec<Wrote> {
        let output = self.codec.output();
        let found = frames(output.pending());
        output.consume(usize::MAX);
        found
    }
}

/// A server that has seen preface and settings.
pub(super) fn server() -> Fed<Server> {
    server_with(&Limits::default())
}

pub(super) fn server_with(limits: &Limits) -> Fed<Server> {
    let mut fed = Fed::new(Server::new(limits));
    assert_eq!(
        fed.feed([PREFACE.as_slice(), &settings(&[]), &settings_ack()].concat()),
        []
    );
    fed.wrote();
    fed
}

/// A server that has seen nothing.
pub(super) fn new_server() -> Fed<Server> {
    Fed::new(Server::new(&Limits::default()))
}

/// A client that has seen settings.
pub(super) fn client() -> Fed<Client> {
    client_with(&[])
}

pub(super) fn client_with(values: &[(u16, u32)]) -> Fed<Client> {
    let mut fed = Fed::new(Client::new(&Limits::default()));
    assert_eq!(fed.feed([settings(values), settings_ack()].concat()), []);
    fed.wrote();
    fed
}

pub(super) fn request(method: &str) -> RequestHead {
    RequestHead {
        method: method.to_owned(),
        authority: "a:80".to_owned(),
        path: "/".to_owned(),
        ..RequestHead::default()
    }
}

pub(super) fn response(status: u16) -> ResponseHead {
    ResponseHead {
        status,
        ..ResponseHead::default()
    }
}

/// How a codec answers what breaks a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Nothing,
    Reset(u32, ErrorCode),
    GoAway(ErrorCode),
}

/// The answer in what was written; of several the worst.
pub(super) fn answer(wrote: &[Wrote]) -> Answer {
    let code = |bytes: &[u8]| ErrorCode(u32::from_be_bytes(bytes.try_into().unwrap()));
    let mut found = Answer::Nothing;
    for frame in wrote {
        match frame.kind {
            Kind::GoAway => return Answer::GoAway(code(&frame.payload[4..8])),
            Kind::Reset => found = Answer::Reset(frame.stream, code(&frame.payload)),
            _ => {}
        }
    }
    found
}

/// Feeds a server that has seen preface and settings, and compares its answer.
#[track_caller]
pub(super) fn check(sent: &[Vec<u8>], expected: Answer) {
    let mut fed = server();
    let seen = fed.feed(sent.concat());
    let wrote = fed.wrote();
    assert_eq!(
        answer(&wrote),
        expected,
        "seen {seen:?}, why {:?}, wrote {wrote:?}",
        fed.why
    );
}

pub(super) const PROTOCOL: ErrorCode = ErrorCode::PROTOCOL_ERROR;
pub(super) const CLOSED: ErrorCode = ErrorCode::STREAM_CLOSED;
pub(super) const SIZE: ErrorCode = ErrorCode::FRAME_SIZE_ERROR;
pub(super) const FLOW: ErrorCode = ErrorCode::FLOW_CONTROL_ERROR;
