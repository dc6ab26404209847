//! Makes a request of the lines of its head (RFC 9112 3 and 6.3).

use super::meaning::{Known, Meaning};
use super::parse::{Scan, Sink};
use super::target::{self, Authority};
use super::{Limits, framing, malformed};
use crate::{BodyLength, Fault, RequestHead, Version};

/// A request whose head is complete.
#[derive(Debug)]
pub(super) struct Request {
    /// Bytes of its head.
    pub(super) len: usize,
    pub(super) body: BodyLength,
    pub(super) asked: Asked,
}

/// What of a request decides how it is answered.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Asked {
    pub(super) version: Version,
    pub(super) head: bool,
    pub(super) connect: bool,
    pub(super) upgrade: bool,
    /// Whether the client wants the connection to stay.
    pub(super) keep: bool,
}

/// Reads the head of a request at the front of `input`, if it is complete.
pub(super) fn read(
    scan: &mut Scan,
    limits: &Limits,
    input: &[u8],
    head: &mut RequestHead,
) -> Result<Option<Request>, Fault> {
    // Whatever goes wrong is not to be told in the words of somebody else's request.
    head.clear();
    if scan.has_begun() {
        // It comes in pieces: each is checked as it comes, and all are read when they are there,
        // since whoever asks may bring another `head` each time.
        if scan.run(input, limits, &mut Check)?.is_none() {
            return Ok(None);
        }
        *scan = Scan::request();
    }
    let mut lines = Lines::of(head);
    let Some(len) = scan.run(input, limits, &mut lines)? else {
        return Ok(None);
    };
    *scan = Scan::request();
    lines.finish(len).map(Some)
}

/// Checks what can be told of each line alone.
struct Check;

impl Sink for Check {
    fn request(&mut self, method: &[u8], target: &[u8], _version: Version) -> Result<(), Fault> {
        target::parse(method, target).map(drop)
    }

    fn field(&mut self, _name: &[u8], _value: &[u8]) -> Result<(), Fault> {
        Ok(())
    }
}

/// Fills a head, and judges it when it is complete.
struct Lines<'h> {
    head: &'h mut RequestHead,
    meaning: Meaning,
    /// The target has an authority, so that `host` is only checked.
    has_authority: bool,
    hosts: u32,
    bad_host: bool,
}

impl<'h> Lines<'h> {
    fn of(head: &'h mut RequestHead) -> Self {
        Self {
            head,
            meaning: Meaning::default(),
            has_authority: false,
            hosts: 0,
            bad_host: false,
        }
    }

    /// RFC 9112 3.2: one host, and it looks like one. None at all is what a client says that knows
    /// of no authority.
    fn host(&mut self, value: &[u8]) {
        self.hosts += 1;
        let is_host = value.is_empty() || Authority::parse(value).is_some();
        match std::str::from_utf8(value) {
            Ok(host) if is_host => {
                if !self.has_authority {
                    self.head.authority.clear();
                    self.head.authority.push_str(host);
                }
            }
            Ok(_) | Err(_) => self.bad_host = true,
        }
    }

    fn finish(self, len: usize) -> Result<Request, Fault> {
        let (head, meaning) = (self.head, self.meaning);
        match self.hosts {
            0 if head.version == Version::Http11 => {
                return Err(malformed("RFC 9112 3.2: HTTP/1.1 without host"));
            }
            0 | 1 => {}
            2.. => return Err(malformed("RFC 9112 3.2: more than one host")),
        }
        if self.bad_host {
            return Err(malformed("RFC 9112 3.2: host has not the form of one"));
        }
        let chunked = meaning.is_chunked(head.version)?;
        let connect = head.method == "CONNECT";
        if connect && (chunked || meaning.length.is_some()) {
            return Err(framing("RFC 9110 9.3.6: CONNECT with a body"));
        }
        meaning.tidy_length(&mut head.fields)?;
        let body = match meaning.announced() {
            _ if connect => BodyLength::Tunnel,
            _ if chunked => BodyLength::Unknown,
            announced => announced,
        };
        let asked = Asked {
            version: head.version,
            head: head.method == "HEAD",
            connect,
            // RFC 9110 7.8: HTTP/1.0 knows of no upgrade.
            upgrade: meaning.is_upgrade() && head.version == Version::Http11,
            keep: meaning.persists(head.version),
        };
        Ok(Request { len, body, asked })
    }
}

impl Sink for Lines<'_> {
    fn request(&mut self, method: &[u8], target: &[u8], version: Version) -> Result<(), Fault> {
        let target = target::parse(method, target)?;
        let method = std::str::from_utf8(method).unwrap_or_default();
        self.head.version = version;
        self.head.method.push_str(method);
        self.head.scheme = target.scheme;
        if let Some(authority) = target.authority {
            self.has_authority = true;
            self.head.authority.push_str(authority);
        }
        if target.slash {
            self.head.path.push('/');
        }
        self.head.path.push_str(target.path);
        Ok(())
    }

    #[inline]
    fn field(&mut self, name: &[u8], value: &[u8]) -> Result<(), Fault> {
        let known = Known::of(name);
        match known {
            Known::Other => {}
            Known::Host => {
                self.host(value);
                return Ok(());
            }
            _ => self.meaning.note(known, value),
        }
        if known == Known::TransferEncoding {
            return Ok(());
        }
        let added = self.head.fields.append_raw(name, value);
        added.map_err(|_| malformed("RFC 9110 5.4: the head is too large"))
    }
}
