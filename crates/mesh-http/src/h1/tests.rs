//! What the tests of both sides share: a connection is run over bytes, cut in every way, and what
//! came of it is written down in words.

use std::fmt::Write as _;
use std::time::Instant;

use super::*;
use crate::{BodyLength, CannotSend, ErrorCode, Event, Fields, RequestHead, ResponseHead};

mod chunks;
mod framing;
mod lifecycle;
mod properties;
mod requests;
mod responses;
mod writing;

/// One side of a connection that is fed.
trait Side {
    type Head: Default + Told;
    fn next<'b>(
        &mut self,
        input: &mut &'b [u8],
        head: &mut Self::Head,
    ) -> Result<Option<Event<'b>>, Fault>;
    fn end(&mut self) -> Result<Option<Event<'static>>, Fault>;
    /// After each event: whatever makes the next one possible.
    fn act(&mut self, event: &Event<'_>);
}

/// A head, in words.
trait Told {
    fn tell(&self) -> String;
    fn fields(&self) -> &Fields;
}

impl Told for RequestHead {
    fn tell(&self) -> String {
        format!(
            "{} {}://{}{} {}{}",
            self.method,
            self.scheme.as_str(),
            self.authority,
            self.path,
            self.version.as_str(),
            fields(&self.fields)
        )
    }

    fn fields(&self) -> &Fields {
        &self.fields
    }
}

impl Told for ResponseHead {
    fn tell(&self) -> String {
        format!(
            "{} {}{}",
            self.version.as_str(),
            self.status,
            fields(&self.fields)
        )
    }

    fn fields(&self) -> &Fields {
        &self.fields
    }
}

fn fields(fields: &Fields) -> String {
    let mut out = String::new();
    for (name, value) in fields.iter_spelled() {
        write!(out, " [{name}: {}]", value.escape_ascii()).unwrap();
    }
    out
}

/// What came of a connection, pieces of one body joined.
#[derive(Default)]
struct Story {
    lines: Vec<String>,
    data: Vec<u8>,
}

impl Story {
    fn add(&mut self, event: &Event<'_>, head: &impl Told) {
        match event {
            Event::Data { bytes, end, .. } => {
                self.data.extend_from_slice(bytes);
                if *end {
                    self.flush();
                    self.lines.push("end".to_owned());
                }
            }
            Event::Head { stream, body } => {
                self.flush();
                self.lines
                    .push(format!("{stream} {} {body:?}", head.tell()));
            }
            Event::Interim { stream } => {
                self.flush();
                self.lines.push(format!("{stream} interim {}", head.tell()));
            }
            Event::Trailers { stream } => {
                self.flush();
                self.lines
                    .push(format!("{stream} trailers{}", fields(head.fields())));
            }
            other => self.lines.push(format!("{other:?}")),
        }
    }

    fn flush(&mut self) {
        if !self.data.is_empty() {
            let data = std::mem::take(&mut self.data);
            self.lines.push(format!("data {}", data.escape_ascii()));
        }
    }

    fn told(mut self) -> String {
        self.flush();
        self.lines.join("\n")
    }
}

/// Feeds `pieces` one after the other, keeping what is left as a connection does, and then the end.
fn run<S: Side>(side: &mut S, pieces: &[&[u8]]) -> String {
    let mut story = Story::default();
    let mut buffer: Vec<u8> = Vec::new();
    for piece in pieces {
        buffer.extend_from_slice(piece);
        if let Err(fault) = feed(side, &mut buffer, &mut story) {
            story.flush();
            story.lines.push(format!("{:?}: {}", fault.kind, fault.why));
            return story.told();
        }
    }
    let ended = side.end().map(|event| {
        if let Some(event) = event {
            story.add(&event, &S::Head::default());
        }
    });
    let ended = ended.and_then(|()| feed(side, &mut buffer, &mut story));
    if let Err(fault) = ended {
        story.flush();
        story.lines.push(format!("{:?}: {}", fault.kind, fault.why));
    }
    story.told()
}

fn feed<S: Side>(side: &mut S, buffer: &mut Vec<u8>, story: &mut Story) -> Result<(), Fault> {
    // Another head each time, as a worker's scratch space is another connection's in between.
    let mut head = S::Head::default();
    let mut input = buffer.as_slice();
    while let Some(event) = side.next(&mut input, &mut head)? {
        story.add(&event, &head);
        side.act(&event);
    }
    let left = input.len();
    buffer.drain(..buffer.len() - left);
    Ok(())
}

/// Runs a connection over `input` at once, byte by byte, and cut in two at every place: the same
/// must come of it.
#[track_caller]
fn tell<S: Side>(mk: impl Fn() -> S, input: &[u8]) -> String {
    let whole = run(&mut mk(), &[input]);
    let bytes: Vec<&[u8]> = input.chunks(1).collect();
    let slowly = run(&mut mk(), &bytes);
    assert_eq!(slowly, whole, "byte by byte: {}", input.escape_ascii());
    for at in 1..input.len() {
        let (front, back) = input.split_at(at);
        let halves = run(&mut mk(), &[front, back]);
        let shown = (front.escape_ascii(), back.escape_ascii());
        assert_eq!(halves, whole, "in two: {} | {}", shown.0, shown.1);
    }
    whole
}

#[expect(clippy::disallowed_methods, reason = "the codec only passes it on")]
fn now() -> Instant {
    Instant::now()
}

fn status(status: u16) -> ResponseHead {
    ResponseHead {
        status,
        ..ResponseHead::default()
    }
}

fn request(method: &str) -> RequestHead {
    RequestHead {
        method: method.to_owned(),
        authority: "h:80".to_owned(),
        path: "/p".to_owned(),
        ..RequestHead::default()
    }
}

fn connect() -> RequestHead {
    RequestHead {
        authority: "b:443".to_owned(),
        ..request("CONNECT")
    }
}
