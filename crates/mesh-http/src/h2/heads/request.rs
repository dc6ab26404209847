//! Requests (RFC 9113 8.3.1).

use super::fields::{Length, Meaning, PLAIN, PSEUDO, add, check, keep_secret};
use super::malformed;
use crate::fields::bytes::{target_len, token_len};
use crate::h1::target::Authority;
use crate::h2::hpack::Field;
use crate::{Fault, FaultKind, RequestHead, Scheme, Version};

const METHOD: u8 = 1;
const SCHEME: u8 = 2;
const AUTHORITY: u8 = 4;
const PATH: u8 = 8;

/// What of a request decides how its stream goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RequestFacts {
    pub(crate) length: Option<u64>,
    pub(crate) is_head: bool,
    pub(crate) is_connect: bool,
}

/// Reads a request's header list into a head, field by field.
pub(crate) struct RequestReader<'h> {
    head: &'h mut RequestHead,
    /// Cookies, joined.
    crumbs: &'h mut Vec<u8>,
    target_bytes: usize,
    /// Pseudo-header fields that have come.
    seen: u8,
    has_fields: bool,
    has_host: bool,
    /// A piece of the cookie came as a secret.
    secret_crumbs: bool,
    length: Length,
    read: Result<(), Fault>,
}

impl<'h> RequestReader<'h> {
    pub(crate) fn new(
        head: &'h mut RequestHead,
        crumbs: &'h mut Vec<u8>,
        target_bytes: usize,
    ) -> Self {
        head.clear();
        head.version = Version::Http2;
        crumbs.clear();
        Self {
            head,
            crumbs,
            target_bytes,
            seen: 0,
            has_fields: false,
            has_host: false,
            secret_crumbs: false,
            length: Length::default(),
            read: Ok(()),
        }
    }

    /// Takes one field, unless one before it was wrong.
    pub(crate) fn field(&mut self, field: Field<'_>) {
        let (name, never) = (field.name, field.never);
        if self.read.is_ok() {
            let read = match name.first() {
                Some(b':') => self.pseudo(field),
                _ => self.regular(field),
            };
            if read.is_err() {
                self.read = read;
            }
            if never {
                self.keep_secret(name);
            }
        }
    }

    /// RFC 7541 7.1.3: what came as never indexed is sent on as never indexed.
    #[cold]
    fn keep_secret(&mut self, name: &[u8]) {
        match Meaning::of(name) {
            Meaning::Host => self.head.secret_target = true,
            Meaning::Cookie => self.secret_crumbs = true,
            _ if name.starts_with(b":") => self.head.secret_target = true,
            _ => keep_secret(&mut self.head.fields, name),
        }
    }

    /// Judges the list when it is complete.
    pub(crate) fn finish(mut self) -> Result<RequestFacts, Fault> {
        self.read?;
        let is_connect = self.head.method == "CONNECT";
        if is_connect {
            self.check_connect()?;
        } else {
            self.check_seen()?;
        }
        if !self.crumbs.is_empty() {
            add(&mut self.head.fields, b"cookie", self.crumbs)?;
            if self.secret_crumbs {
                self.head.fields.mark_secret("cookie");
            }
        }
        Ok(RequestFacts {
            length: self.length.0,
            is_head: self.head.method == "HEAD",
            is_connect,
        })
    }

    fn pseudo(&mut self, field: Field<'_>) -> Result<(), Fault> {
        if self.has_fields {
            return Err(malformed(
                "RFC 9113 8.3: a pseudo-header field behind regular ones",
            ));
        }
        let (bit, text) = match field.name {
            b":method" => (METHOD, &mut self.head.method),
            b":scheme" => {
                self.head.scheme = scheme(field.value)?;
                return self.once(SCHEME);
            }
            b":authority" => (AUTHORITY, &mut self.head.authority),
            b":path" => (PATH, &mut self.head.path),
            _ => {
                return Err(malformed(
                    "RFC 9113 8.3: a pseudo-header field that requests do not have",
                ));
            }
        };
        let value = match *field.note {
            PSEUDO => ascii(field.value)?,
            _ => checked(bit, field.value, self.target_bytes)?,
        };
        // Limits are the same for all requests of a connection.
        *field.note = PSEUDO;
        text.push_str(value);
        self.once(bit)
    }

    fn once(&mut self, bit: u8) -> Result<(), Fault> {
        if self.seen & bit != 0 {
            return Err(malformed("RFC 9113 8.3: a pseudo-header field twice"));
        }
        self.seen |= bit;
        Ok(())
    }

    fn regular(&mut self, field: Field<'_>) -> Result<(), Fault> {
        self.has_fields = true;
        if *field.note == PLAIN {
            return add(&mut self.head.fields, field.name, field.value);
        }
        let name = field.name;
        let (meaning, value) = check(field)?;
        match meaning {
            Meaning::Host => self.host(value),
            Meaning::Cookie => {
                self.crumb(value);
                Ok(())
            }
            Meaning::ContentLength => self.length.note(&mut self.head.fields, value),
            Meaning::Plain | Meaning::Te | Meaning::Connection => {
                add(&mut self.head.fields, name, value)
            }
        }
    }

    /// RFC 9113 8.2.3: one cookie may come in pieces.
    fn crumb(&mut self, value: &[u8]) {
        if value.is_empty() {
            return;
        }
        if !self.crumbs.is_empty() {
            self.crumbs.extend_from_slice(b"; ");
        }
        self.crumbs.extend_from_slice(value);
    }

    /// RFC 9113 8.3.1: it says the same as `:authority`, or stands for it.
    fn host(&mut self, value: &[u8]) -> Result<(), Fault> {
        if std::mem::replace(&mut self.has_host, true) {
            return Err(malformed("RFC 9110 7.2: more than one host"));
        }
        if self.seen & AUTHORITY == 0 {
            let host = authority(value)?;
            self.head.authority.push_str(host);
            return Ok(());
        }
        if !value.eq_ignore_ascii_case(self.head.authority.as_bytes()) {
            return Err(malformed(
                "RFC 9113 8.3.1: host and :authority are not the same",
            ));
        }
        Ok(())
    }

    fn check_seen(&self) -> Result<(), Fault> {
        let needed = METHOD | SCHEME | PATH;
        if self.seen & needed != needed {
            return Err(malformed(
                "RFC 9113 8.3.1: :method, :scheme or :path is missing",
            ));
        }
        if self.seen & AUTHORITY == 0 && !self.has_host {
            return Err(malformed("RFC 9113 8.3.1: neither :authority nor host"));
        }
        let path = self.head.path.as_str();
        if path.starts_with('/') || (path == "*" && self.head.method == "OPTIONS") {
            return Ok(());
        }
        Err(malformed("RFC 9113 8.3.1: :path is not a path"))
    }

    /// RFC 9113 8.5: method and authority, and nothing else. An extended CONNECT (RFC 8441), which
    /// we do not offer, has failed already by its `:protocol`.
    fn check_connect(&mut self) -> Result<(), Fault> {
        if self.seen != METHOD | AUTHORITY {
            return Err(malformed(
                "RFC 9113 8.5: CONNECT is not method and authority",
            ));
        }
        let parsed = Authority::parse(self.head.authority.as_bytes());
        if !parsed.is_some_and(|authority| authority.has_port) {
            return Err(malformed("RFC 9113 8.5: CONNECT without a port"));
        }
        if self.length.0.is_some() {
            return Err(malformed("RFC 9110 9.3.6: CONNECT with a content-length"));
        }
        self.head.path.push('/');
        Ok(())
    }
}

/// RFC 9113 8.3.1; nothing but the web's schemes can be meant here, in whatever case.
fn scheme(value: &[u8]) -> Result<Scheme, Fault> {
    if value.eq_ignore_ascii_case(b"http") {
        Ok(Scheme::Http)
    } else if value.eq_ignore_ascii_case(b"https") {
        Ok(Scheme::Https)
    } else {
        Err(malformed(
            "RFC 9113 8.3.1: :scheme is neither http nor https",
        ))
    }
}

fn checked(bit: u8, value: &[u8], target_bytes: usize) -> Result<&str, Fault> {
    match bit {
        AUTHORITY => authority(value),
        METHOD if value.is_empty() || token_len(value) != value.len() => {
            Err(malformed("RFC 9110 9.1: the method is not a token"))
        }
        PATH if value.len() > target_bytes => Err(Fault {
            kind: FaultKind::TargetTooLong,
            why: "RFC 9110 4.1: the request target is too long",
        }),
        PATH if value.is_empty() || target_len(value) != value.len() => Err(malformed(
            "RFC 9113 8.3.1: :path is empty or has a byte that it cannot have",
        )),
        _ => ascii(value),
    }
}

fn authority(value: &[u8]) -> Result<&str, Fault> {
    if Authority::parse(value).is_none() {
        return Err(malformed(
            "RFC 9113 8.3.1: the authority is not a host, perhaps with a port",
        ));
    }
    ascii(value)
}

fn ascii(value: &[u8]) -> Result<&str, Fault> {
    std::str::from_utf8(value).map_err(|_| malformed("RFC 9110 5.5: text that is not ASCII"))
}
