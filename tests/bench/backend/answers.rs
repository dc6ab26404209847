//! What the back end says, written once at the start.

use super::{BIG, BODY};
use crate::wire::h2::{Name, put_indexed, put_plain, put_remembered};

/// The bytes of every answer.
pub(super) struct Answers {
    /// HTTP/1.1: head and body.
    pub(super) one: Vec<u8>,
    /// HTTP/1.1: the head of `/big`.
    pub(super) big: Vec<u8>,
    /// A piece of the body of `/big`.
    pub(super) chunk: Vec<u8>,
    /// HTTP/2: header block of a connection's first answer, which fills the peer's table.
    pub(super) first: Vec<u8>,
    /// HTTP/2: header block of later answers, out of that table.
    pub(super) next: Vec<u8>,
    /// HTTP/2: header block for peers that keep no table.
    pub(super) tableless: Vec<u8>,
    /// HTTP/2: one gRPC message.
    pub(super) message: Vec<u8>,
    /// HTTP/2: header block of the trailers.
    pub(super) trailers: Vec<u8>,
}

/// Places in HPACK's static table (RFC 7541, appendix A).
const STATUS_200: usize = 8;
const CONTENT_TYPE: usize = 31;
const SERVER: usize = 54;
/// The youngest field of the dynamic table, and the one before it.
const YOUNGEST: usize = 62;

const GRPC: &str = "application/grpc";
const NAME: &str = "be";

impl Answers {
    pub(super) fn new() -> Self {
        let mut one = head("text/plain", BODY);
        one.resize(one.len() + BODY, b'x');
        let (mut first, mut next, mut tableless) = (Vec::new(), Vec::new(), Vec::new());
        for block in [&mut first, &mut next, &mut tableless] {
            put_indexed(block, STATUS_200);
        }
        put_remembered(&mut first, Name::At(CONTENT_TYPE), GRPC);
        put_remembered(&mut first, Name::At(SERVER), NAME);
        put_indexed(&mut next, YOUNGEST + 1);
        put_indexed(&mut next, YOUNGEST);
        put_plain(&mut tableless, Name::At(CONTENT_TYPE), GRPC);
        put_plain(&mut tableless, Name::At(SERVER), NAME);
        let mut trailers = Vec::new();
        put_plain(&mut trailers, Name::Text("grpc-status"), "0");
        Self {
            one,
            big: head("application/octet-stream", BIG),
            chunk: vec![b'y'; 256 << 10],
            first,
            next,
            tableless,
            message: message(BODY),
            trailers,
        }
    }
}

fn head(content_type: &str, length: usize) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\nserver: {NAME}\r\ncontent-type: {content_type}\r\n\
         content-length: {length}\r\n\r\n"
    )
    .into_bytes()
}

/// A gRPC message of `length` bytes with its prefix: not compressed, and how long.
pub(crate) fn message(length: usize) -> Vec<u8> {
    let mut message = vec![0];
    message.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
    message.resize(message.len() + length, b'q');
    message
}
