use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;

use super::{REPLAY_LIMIT, Replay};
use crate::http::body::{Body, BodySource, Part};
use crate::http::failure::Failure;

struct Pieces(VecDeque<Bytes>);

impl BodySource for Pieces {
    fn poll_part(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<Part, Failure>>> {
        Poll::Ready(self.0.pop_front().map(|piece| Ok(Part::Data(piece))))
    }

    fn remaining(&self) -> Option<u64> {
        Some(self.0.iter().map(|piece| piece.len() as u64).sum())
    }

    fn is_end(&self) -> bool {
        self.0.is_empty()
    }
}

fn mk_replay(pieces: &[&[u8]]) -> Replay {
    let pieces = pieces
        .iter()
        .map(|piece| Bytes::copy_from_slice(piece))
        .collect();
    Replay::new(Body::from_source(Box::new(Pieces(pieces))))
}

fn read(body: &mut Body, parts: usize) -> Vec<u8> {
    let mut cx = Context::from_waker(Waker::noop());
    let mut out = Vec::new();
    for _ in 0..parts {
        match body.poll_part(&mut cx) {
            Poll::Ready(Some(Ok(Part::Data(bytes)))) => out.extend_from_slice(&bytes),
            _ => break,
        }
    }
    out
}

#[test]
fn second_attempt_sends_what_the_first_had_read_and_the_rest() {
    let replay = mk_replay(&[b"one ", b"two ", b"three"]);
    assert_eq!(read(&mut replay.reader(), 2), b"one two ");
    assert!(replay.can_repeat());
    let mut second = replay.reader();
    assert_eq!(second.remaining(), Some(13));
    assert_eq!(read(&mut second, 9), b"one two three");
    assert!(second.is_end());
}

#[test]
fn body_past_the_limit_is_sent_once_and_whole() {
    let big = vec![b'x'; REPLAY_LIMIT];
    let replay = mk_replay(&[b"a", &big, b"z"]);
    let mut first = replay.reader();
    assert_eq!(read(&mut first, 9).len(), REPLAY_LIMIT + 2);
    assert!(!replay.can_repeat());
}

#[test]
fn end_of_the_body_is_told() {
    let cx = Context::from_waker(Waker::noop());
    let replay = mk_replay(&[b"a"]);
    assert!(replay.poll_ended(&cx).is_pending());
    read(&mut replay.reader(), 1);
    assert!(replay.poll_ended(&cx).is_ready());
}

#[test]
fn reader_of_an_earlier_attempt_takes_nothing_from_the_next() {
    let replay = mk_replay(&[b"a", b"b"]);
    let mut first = replay.reader();
    let mut second = replay.reader();
    assert_eq!(read(&mut first, 9), b"");
    assert_eq!(read(&mut second, 9), b"ab");
}
