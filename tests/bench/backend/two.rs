//! HTTP/2 at the back end: every request is answered by a gRPC message with trailers.

use super::Waiting;
use super::answers::Answers;
use crate::wire::h2::{self, Frame};

/// What is known of a connection between two reads.
#[derive(Debug)]
pub(super) struct Reader {
    /// What the connection may still send.
    window: i64,
    /// What a new stream may send.
    stream_window: i64,
    waiting: Waiting,
    answered: bool,
    tableless: bool,
    /// Bytes of bodies that were read and not yet given back to the window.
    consumed: u32,
}

impl Reader {
    /// Greets the client.
    pub(super) fn start(out: &mut Vec<u8>) -> Self {
        let settings = [
            (h2::MAX_CONCURRENT_STREAMS, 1024),
            (h2::INITIAL_WINDOW_SIZE, h2::STREAM_WINDOW),
        ];
        h2::put_settings(out, &settings);
        h2::put_window(out, h2::WIDE);
        Self {
            window: h2::FIRST_WINDOW,
            stream_window: h2::FIRST_WINDOW,
            waiting: Waiting::new(),
            answered: false,
            tableless: false,
            consumed: 0,
        }
    }

    /// Answers what is there; gives how much of it was used.
    pub(super) fn read(&mut self, inbox: &[u8], answers: &Answers, out: &mut Vec<u8>) -> usize {
        let mut rest = inbox;
        while let Some((frame, after)) = h2::split(rest) {
            self.on(frame, out);
            rest = after;
        }
        if self.consumed > 0 {
            h2::put_window(out, std::mem::take(&mut self.consumed));
        }
        self.answer(answers, out);
        inbox.len() - rest.len()
    }

    fn on(&mut self, frame: Frame<'_>, out: &mut Vec<u8>) {
        match frame.kind {
            h2::DATA | h2::HEADERS => {
                if frame.kind == h2::DATA {
                    self.consumed += u32::try_from(frame.payload.len()).unwrap_or(0);
                }
                if frame.has(h2::END_STREAM) {
                    self.waiting.push_back(frame.stream);
                }
            }
            h2::SETTINGS if !frame.has(h2::ACK) => {
                for setting in frame.settings() {
                    match setting {
                        (h2::HEADER_TABLE_SIZE, 0) => self.tableless = true,
                        (h2::INITIAL_WINDOW_SIZE, size) => self.stream_window = i64::from(size),
                        _ => {}
                    }
                }
                h2::put(out, h2::SETTINGS, h2::ACK, 0, &[]);
            }
            h2::PING if !frame.has(h2::ACK) => {
                h2::put(out, h2::PING, h2::ACK, 0, frame.payload);
            }
            h2::WINDOW_UPDATE if frame.stream == 0 => self.window += frame.increment(),
            _ => {}
        }
    }

    fn answer(&mut self, answers: &Answers, out: &mut Vec<u8>) {
        let length = i64::try_from(answers.message.len()).unwrap_or(i64::MAX);
        while self.window >= length && self.stream_window >= length {
            let Some(stream) = self.waiting.pop_front() else {
                return;
            };
            self.window -= length;
            let head = match (self.tableless, self.answered) {
                (true, _) => &answers.tableless,
                (false, false) => &answers.first,
                (false, true) => &answers.next,
            };
            self.answered = true;
            let last = h2::END_HEADERS | h2::END_STREAM;
            h2::put(out, h2::HEADERS, h2::END_HEADERS, stream, head);
            h2::put(out, h2::DATA, 0, stream, &answers.message);
            h2::put(out, h2::HEADERS, last, stream, &answers.trailers);
        }
    }
}
