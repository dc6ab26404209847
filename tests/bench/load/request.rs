//! The request of a plan, written once.

use super::{Plan, Protocol};
use crate::backend::message;
use crate::wire::h2::{Name, put_indexed, put_remembered};

/// Bytes of a gRPC request's message.
const QUESTION: usize = 128;

/// Fields that every client sends.
const FIELDS: [(&str, &str); 3] = [
    ("user-agent", "mesh-bench/1"),
    ("accept", "*/*"),
    ("accept-encoding", "gzip, deflate, br"),
];

/// Places in HPACK's static table (RFC 7541, appendix A).
const AUTHORITY: usize = 1;
const METHOD_POST: usize = 3;
const PATH: usize = 4;
const SCHEME_HTTP: usize = 6;
const CONTENT_TYPE: usize = 31;
/// The youngest field of the dynamic table.
const YOUNGEST: usize = 62;

/// The bytes of a request.
#[derive(Debug)]
pub(super) struct Request {
    /// HTTP/1.1.
    pub(super) one: Vec<u8>,
    /// HTTP/2: header block of a connection's first request, which fills the peer's table.
    pub(super) first: Vec<u8>,
    /// HTTP/2: header block of later requests, out of that table.
    pub(super) next: Vec<u8>,
    /// HTTP/2: the message.
    pub(super) message: Vec<u8>,
    /// Bytes of a good answer's body, when that is known.
    pub(super) expect: Option<usize>,
}

impl Request {
    pub(super) fn new(plan: &Plan) -> Self {
        let (path, host) = (plan.path.as_str(), plan.host.as_str());
        let mut one = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n");
        let mut fields = vec![
            (Name::At(PATH), path),
            (Name::At(AUTHORITY), host),
            (Name::At(CONTENT_TYPE), "application/grpc"),
            (Name::Text("te"), "trailers"),
        ];
        for (name, value) in FIELDS {
            one.push_str(&format!("{name}: {value}\r\n"));
            fields.push((Name::Text(name), value));
        }
        one.push_str("\r\n");
        let (mut first, mut next) = (Vec::new(), Vec::new());
        for block in [&mut first, &mut next] {
            put_indexed(block, METHOD_POST);
            put_indexed(block, SCHEME_HTTP);
        }
        for (age, (name, value)) in fields.iter().enumerate() {
            put_remembered(&mut first, *name, value);
            put_indexed(&mut next, YOUNGEST + fields.len() - 1 - age);
        }
        Self {
            one: one.into_bytes(),
            first,
            next,
            message: message(QUESTION),
            expect: match plan.protocol {
                Protocol::Http1 => plan.expect,
                Protocol::Grpc => plan.expect.map(|length| message(length).len()),
            },
        }
    }
}
