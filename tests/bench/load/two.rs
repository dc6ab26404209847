//! HTTP/2 at the load generator: gRPC messages on some streams at a time.

use std::collections::VecDeque;
use std::io;

use super::request::Request;
use super::tally::Answer;
use crate::wire::h2::{self, Frame};

/// `:status: 200` out of the static table: how every peer writes it to a client without a table.
const STATUS_200: u8 = 0x88;
/// Ends of trailers that say `grpc-status: 0`: in plain text, and in Huffman's.
const GOOD_ENDS: [&[u8]; 2] = [&[1, b'0'], &[0x81, 7]];

/// A connection's state.
#[derive(Debug)]
pub(super) struct Talk {
    next: u32,
    /// What the connection may still send.
    window: i64,
    /// When requests were due that wait for the window.
    held: VecDeque<u64>,
    streams: Vec<Stream>,
    /// The first piece of a frame.
    inbox: Vec<u8>,
    /// Bytes that were read and not yet given back to the window.
    consumed: u32,
}

#[derive(Debug)]
struct Stream {
    id: u32,
    due: u64,
    body: usize,
    status: bool,
    trailers: bool,
}

impl Talk {
    /// Greets the server.
    pub(super) fn start(out: &mut Vec<u8>) -> Self {
        out.extend_from_slice(h2::PREFACE);
        // Without a table nothing has to be decoded here.
        let settings = [
            (h2::HEADER_TABLE_SIZE, 0),
            (h2::INITIAL_WINDOW_SIZE, h2::STREAM_WINDOW),
        ];
        h2::put_settings(out, &settings);
        h2::put_window(out, h2::WIDE);
        Self {
            next: 1,
            window: h2::FIRST_WINDOW,
            held: VecDeque::new(),
            streams: Vec::new(),
            inbox: Vec::new(),
            consumed: 0,
        }
    }

    pub(super) fn send(&mut self, due: u64, request: &Request, out: &mut Vec<u8>) {
        self.held.push_back(due);
        self.release(request, out);
    }

    /// Sends what waited, as far as the window reaches.
    fn release(&mut self, request: &Request, out: &mut Vec<u8>) {
        let length = i64::try_from(request.message.len()).unwrap_or(i64::MAX);
        while self.window >= length {
            let Some(due) = self.held.pop_front() else {
                return;
            };
            self.window -= length;
            let id = self.next;
            self.next += 2;
            let head = if id == 1 {
                &request.first
            } else {
                &request.next
            };
            h2::put(out, h2::HEADERS, h2::END_HEADERS, id, head);
            h2::put(out, h2::DATA, h2::END_STREAM, id, &request.message);
            self.streams.push(Stream {
                id,
                due,
                body: 0,
                status: false,
                trailers: false,
            });
        }
    }

    /// Requests that are not answered.
    pub(super) fn open(&self) -> usize {
        self.streams.len() + self.held.len()
    }

    pub(super) fn hear(
        &mut self,
        bytes: &[u8],
        request: &Request,
        out: &mut Vec<u8>,
        answers: &mut Vec<Answer>,
    ) -> io::Result<()> {
        let mut joined = std::mem::take(&mut self.inbox);
        let mut rest = bytes;
        if !joined.is_empty() {
            joined.extend_from_slice(bytes);
            rest = &joined;
        }
        while let Some((frame, after)) = h2::split(rest) {
            self.on(frame, request, out, answers)?;
            rest = after;
        }
        self.inbox = rest.to_vec();
        if self.consumed > h2::STREAM_WINDOW {
            h2::put_window(out, std::mem::take(&mut self.consumed));
        }
        Ok(())
    }

    fn on(
        &mut self,
        frame: Frame<'_>,
        request: &Request,
        out: &mut Vec<u8>,
        answers: &mut Vec<Answer>,
    ) -> io::Result<()> {
        match frame.kind {
            h2::DATA => {
                self.consumed += u32::try_from(frame.payload.len()).unwrap_or(0);
                if let Some(stream) = self.stream(frame.stream) {
                    stream.body += frame.payload.len();
                }
            }
            h2::HEADERS => {
                if let Some(stream) = self.stream(frame.stream) {
                    stream.head(frame);
                }
            }
            h2::RST_STREAM => {}
            h2::SETTINGS if !frame.has(h2::ACK) => h2::put(out, h2::SETTINGS, h2::ACK, 0, &[]),
            h2::PING if !frame.has(h2::ACK) => {
                h2::put(out, h2::PING, h2::ACK, 0, frame.payload);
            }
            h2::GOAWAY => return Err(io::Error::other("GOAWAY")),
            h2::WINDOW_UPDATE if frame.stream == 0 => {
                self.window += frame.increment();
                self.release(request, out);
            }
            _ => {}
        }
        let carries = frame.kind == h2::DATA || frame.kind == h2::HEADERS;
        let reset = frame.kind == h2::RST_STREAM;
        if reset || (carries && frame.has(h2::END_STREAM)) {
            answers.extend(self.end(frame.stream, request, reset));
        }
        Ok(())
    }

    fn stream(&mut self, id: u32) -> Option<&mut Stream> {
        self.streams.iter_mut().find(|stream| stream.id == id)
    }

    fn end(&mut self, id: u32, request: &Request, reset: bool) -> Option<Answer> {
        let place = self.streams.iter().position(|stream| stream.id == id)?;
        let stream = self.streams.swap_remove(place);
        let fault = match stream {
            _ if reset => Some("RST_STREAM".to_owned()),
            Stream { status: false, .. } => Some("a status other than 200".to_owned()),
            Stream { body, .. } if request.expect.is_some_and(|expected| body != expected) => {
                Some(format!("a body of {body} bytes"))
            }
            Stream {
                trailers: false, ..
            } => Some("no grpc-status: 0".to_owned()),
            Stream { .. } => None,
        };
        let due = stream.due;
        Some(Answer { due, fault })
    }
}

impl Stream {
    fn head(&mut self, frame: Frame<'_>) {
        if frame.has(h2::END_STREAM) {
            self.trailers = GOOD_ENDS.iter().any(|end| frame.payload.ends_with(end));
            return;
        }
        // Updates of the table's size come first (RFC 7541, 6.3).
        let mut fields = frame.payload.iter().skip_while(|byte| **byte >> 5 == 1);
        self.status = fields.next() == Some(&STATUS_200);
    }
}
