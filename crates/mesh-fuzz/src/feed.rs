//! Shows bytes to a codec, whole or cut, and writes down what it tells.

use std::fmt::Debug;
use std::time::Instant;

use mesh_http::{
    BodyLength, CannotSend, ErrorCode, Event, Fault, FaultKind, Fields, Output, RequestHead,
    ResponseHead, StreamId, h1, h2,
};

/// What all codecs have in common.
pub(crate) trait Codec {
    type Head: Default + Clone + PartialEq + Debug;
    const H2: bool;
    fn next<'b>(
        &mut self,
        now: Instant,
        input: &mut &'b [u8],
        head: &mut Self::Head,
    ) -> Result<Option<Event<'b>>, Fault>;
    fn end_of_input(&mut self) -> Result<Option<Event<'static>>, Fault>;
    fn output(&mut self) -> &mut Output;
    fn release(&mut self, stream: StreamId, bytes: usize);
    fn reset(&mut self, stream: StreamId, code: ErrorCode);
    fn send_data(&mut self, s: StreamId, bytes: &[u8], end: bool) -> Result<usize, CannotSend>;
    fn send_trailers(&mut self, stream: StreamId, fields: &Fields) -> Result<(), CannotSend>;
    fn is_over(&self) -> bool;
    fn fields(head: &Self::Head) -> &Fields;
}

/// A server's side.
pub(crate) trait Serve: Codec<Head = RequestHead> {
    fn new() -> Self;
    fn respond(&mut self, s: StreamId, head: &ResponseHead, end: bool) -> Result<(), CannotSend>;
    fn interim(&mut self, s: StreamId, head: &ResponseHead) -> Result<(), CannotSend>;
}

/// A client's side.
pub(crate) trait Ask: Codec<Head = ResponseHead> {
    fn new() -> Self;
    fn room(&self) -> u32;
    fn request(&mut self, head: &RequestHead, end: bool) -> Result<StreamId, CannotSend>;
}

macro_rules! codec {
    ($codec:ty, $head:ty, $h2:literal) => {
        impl Codec for $codec {
            type Head = $head;
            const H2: bool = $h2;
            fn next<'b>(
                &mut self,
                now: Instant,
                input: &mut &'b [u8],
                head: &mut $head,
            ) -> Result<Option<Event<'b>>, Fault> {
                self.next(now, input, head)
            }
            fn end_of_input(&mut self) -> Result<Option<Event<'static>>, Fault> {
                self.end_of_input()
            }
            fn output(&mut self) -> &mut Output {
                self.output()
            }
            fn release(&mut self, stream: StreamId, bytes: usize) {
                self.release(stream, bytes);
            }
            fn reset(&mut self, stream: StreamId, code: ErrorCode) {
                self.reset(stream, code);
            }
            fn send_data(
                &mut self,
                stream: StreamId,
                bytes: &[u8],
                end: bool,
            ) -> Result<usize, CannotSend> {
                self.send_data(stream, bytes, end)
            }
            fn send_trailers(
                &mut self,
                stream: StreamId,
                fields: &Fields,
            ) -> Result<(), CannotSend> {
                self.send_trailers(stream, fields)
            }
            fn is_over(&self) -> bool {
                self.is_over()
            }
            fn fields(head: &$head) -> &Fields {
                &head.fields
            }
        }
    };
}

macro_rules! server {
    ($codec:ty, $limits:ty, $h2:literal) => {
        codec!($codec, RequestHead, $h2);
        impl Serve for $codec {
            fn new() -> Self {
                Self::new(&<$limits>::default())
            }
            fn respond(
                &mut self,
                stream: StreamId,
                head: &ResponseHead,
                end: bool,
            ) -> Result<(), CannotSend> {
                self.respond(stream, head, end)
            }
            fn interim(&mut self, stream: StreamId, head: &ResponseHead) -> Result<(), CannotSend> {
                self.interim(stream, head)
            }
        }
    };
}

macro_rules! client {
    ($codec:ty, $limits:ty, $h2:literal) => {
        codec!($codec, ResponseHead, $h2);
        impl Ask for $codec {
            fn new() -> Self {
                Self::new(&<$limits>::default())
            }
            fn room(&self) -> u32 {
                self.room()
            }
            fn request(&mut self, head: &RequestHead, end: bool) -> Result<StreamId, CannotSend> {
                self.request(head, end)
            }
        }
    };
}

server!(h1::Server, h1::Limits, false);
server!(h2::Server, h2::Limits, true);
client!(h1::Client, h1::Limits, false);
client!(h2::Client, h2::Limits, true);

/// An event that owns what is in it, or the end of the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen<H> {
    Head(StreamId, BodyLength, H),
    Interim(StreamId, H),
    Data(StreamId, Vec<u8>, bool),
    Trailers(StreamId, H),
    Reset(StreamId, ErrorCode, bool),
    Broken(StreamId, FaultKind, &'static str),
    Window(Option<StreamId>),
    GoingAway,
    Over(FaultKind, &'static str),
}

impl<H: Clone> Seen<H> {
    fn of(event: Event<'_>, head: &H) -> Self {
        match event {
            Event::Head { stream, body } => Self::Head(stream, body, head.clone()),
            Event::Interim { stream } => Self::Interim(stream, head.clone()),
            Event::Data { stream, bytes, end } => Self::Data(stream, bytes.to_vec(), end),
            Event::Trailers { stream } => Self::Trailers(stream, head.clone()),
            Event::Reset {
                stream,
                code,
                processed,
            } => Self::Reset(stream, code, processed),
            Event::Broken { stream, fault } => Self::Broken(stream, fault.kind, fault.why),
            Event::Window { stream } => Self::Window(stream),
            Event::GoingAway => Self::GoingAway,
        }
    }

    /// The stream whose message is complete with it.
    pub(crate) fn completes(&self) -> Option<StreamId> {
        match self {
            Self::Head(stream, BodyLength::None | BodyLength::Tunnel, _)
            | Self::Data(stream, _, true)
            | Self::Trailers(stream, _) => Some(*stream),
            _ => None,
        }
    }
}

/// A peer's bytes on their way to a codec.
pub(crate) struct Feed<'d, H> {
    data: &'d [u8],
    /// Bytes that the codec has taken.
    pub(crate) taken: usize,
    shown: usize,
    step: usize,
    ended: bool,
    now: Instant,
    head: H,
    events: usize,
}

impl<'d, H: Default + Clone + PartialEq + Debug> Feed<'d, H> {
    /// `step`: how many more bytes are shown each time.
    pub(crate) fn new(data: &'d [u8], step: usize) -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "only differences count, and none passes"
        )]
        let now = Instant::now();
        Self {
            data,
            taken: 0,
            shown: 0,
            step: step.max(1),
            ended: false,
            now,
            head: H::default(),
            events: 0,
        }
    }

    /// The next thing that the codec tells; `None`: nothing, though it was shown everything and the
    /// end of it.
    pub(crate) fn next<C: Codec<Head = H>>(&mut self, codec: &mut C) -> Option<Seen<H>> {
        loop {
            self.events += 1;
            assert!(
                self.events < 4 * self.data.len() + 4096,
                "a codec that tells things without end"
            );
            let mut input = self.data.get(self.taken..self.shown).unwrap_or_default();
            let told = codec.next(self.now, &mut input, &mut self.head);
            self.taken = self.shown - input.len();
            match told {
                Ok(Some(event)) => return Some(self.seen(event)),
                Err(fault) => return Some(Seen::Over(fault.kind, fault.why)),
                Ok(None) if self.shown < self.data.len() => {
                    self.shown = self.shown.saturating_add(self.step).min(self.data.len());
                }
                Ok(None) if !std::mem::replace(&mut self.ended, true) => {
                    match codec.end_of_input() {
                        Ok(Some(event)) => return Some(self.seen(event)),
                        Ok(None) => {}
                        Err(fault) => return Some(Seen::Over(fault.kind, fault.why)),
                    }
                }
                Ok(None) => return None,
            }
        }
    }

    fn seen(&self, event: Event<'_>) -> Seen<H> {
        Seen::of(event, &self.head)
    }
}

/// What a codec told, pieces of bodies joined.
#[derive(Debug, PartialEq, Eq, Default)]
pub(crate) struct Transcript<H>(pub(crate) Vec<Seen<H>>);

impl<H> Transcript<H> {
    pub(crate) fn push(&mut self, seen: Seen<H>) {
        match (self.0.last_mut(), seen) {
            (_, Seen::Data(_, bytes, false)) if bytes.is_empty() => {}
            (Some(Seen::Data(before, all, ended)), Seen::Data(stream, bytes, end))
                if *before == stream && !*ended =>
            {
                all.extend_from_slice(&bytes);
                *ended = end;
            }
            (_, seen) => self.0.push(seen),
        }
    }
}

/// The first byte of an input decides how it is used; the rest is what the peer sends.
pub(crate) fn options(data: &[u8]) -> (u8, &[u8]) {
    match data.split_first() {
        Some((options, rest)) => (*options, rest),
        None => (0, &[]),
    }
}

/// Takes everything out of an output.
pub(crate) fn written(output: &mut Output) -> Vec<u8> {
    let bytes = output.pending().to_vec();
    output.consume(usize::MAX);
    bytes
}

/// A request like any.
pub(crate) fn request(method: &str) -> RequestHead {
    RequestHead {
        method: method.to_owned(),
        authority: "a:1".to_owned(),
        path: "/".to_owned(),
        ..RequestHead::default()
    }
}

/// A response without fields.
pub(crate) fn status(status: u16) -> ResponseHead {
    ResponseHead {
        status,
        ..ResponseHead::default()
    }
}
