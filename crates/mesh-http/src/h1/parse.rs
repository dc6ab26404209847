//! Finds the lines of a head or of a trailer section (RFC 9112 2 to 5), and refuses every other form.
//!
//! The scan goes from left to right and stops at the first byte that breaks a rule, so that it says
//! the same however the bytes arrive. It remembers where it stands: bytes that were seen are not
//! looked at again when more come. What the lines mean is told by a [`Sink`].

use super::{Limits, malformed};
use crate::fields::bytes::{target_len, token_len, trim, value_len};
use crate::{Fault, FaultKind, Version};

/// Is told the lines of a section, one by one, when each is complete.
pub(super) trait Sink {
    /// The request line.
    fn request(&mut self, method: &[u8], target: &[u8], version: Version) -> Result<(), Fault> {
        let _unused = (method, target, version);
        Ok(())
    }

    /// The status line.
    fn status(&mut self, version: Version, status: u16) {
        let _unused = (version, status);
    }

    /// A field line; the value has no white space round it.
    fn field(&mut self, name: &[u8], value: &[u8]) -> Result<(), Fault>;
}

/// How far the search for the end of a section has gone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scan {
    part: Part,
    /// The next byte to be looked at.
    at: usize,
    /// The end of the method, or the start of the present line.
    mark: usize,
    /// The end of the target, or of the present line's name.
    middle: usize,
    fields: usize,
    version: Version,
    status: u16,
}

/// What the next byte belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Method,
    Target,
    RequestVersion,
    StatusVersion,
    Reason,
    Line,
    Name,
    Value,
}

/// What comes of one step.
enum Step {
    Go,
    Wait,
    Done,
}

/// No method that anybody registered has more bytes.
const LONGEST_METHOD: usize = 32;

impl Scan {
    /// For a request's head.
    pub(super) const fn request() -> Self {
        Self::from(Part::Method)
    }

    /// For a response's head.
    pub(super) const fn response() -> Self {
        Self::from(Part::StatusVersion)
    }

    /// For a trailer section.
    pub(super) const fn trailers() -> Self {
        Self::from(Part::Line)
    }

    const fn from(part: Part) -> Self {
        Self {
            part,
            at: 0,
            mark: 0,
            middle: 0,
            fields: 0,
            version: Version::Http11,
            status: 0,
        }
    }

    /// Whether bytes of the section were seen.
    pub(super) const fn has_begun(&self) -> bool {
        self.at > 0
    }

    /// Goes on in `input`, which starts where the section starts, as before. Gives the length of
    /// the section once its end is found.
    pub(super) fn run(
        &mut self,
        input: &[u8],
        limits: &Limits,
        sink: &mut impl Sink,
    ) -> Result<Option<usize>, Fault> {
        let shown = input.get(..limits.head_bytes).unwrap_or(input);
        loop {
            let step = match self.part {
                Part::Method => self.method(shown)?,
                Part::Target => self.target(shown, limits.target_bytes)?,
                Part::RequestVersion => self.request_version(shown, sink)?,
                Part::StatusVersion => self.status_version(shown)?,
                Part::Reason => self.reason(shown, sink)?,
                Part::Line => {
                    let most = limits.fields_of(self.status);
                    self.whole_lines(shown, most, sink)?;
                    self.line(shown, most)?
                }
                Part::Name => self.name(shown)?,
                Part::Value => self.value(shown, sink)?,
            };
            match step {
                Step::Go => {}
                Step::Done => return Ok(Some(self.at)),
                Step::Wait if input.len() >= limits.head_bytes => {
                    return Err(too_large("RFC 9110 5.4: the head is too large"));
                }
                Step::Wait => return Ok(None),
            }
        }
    }

    fn rest<'i>(&self, shown: &'i [u8]) -> &'i [u8] {
        shown.get(self.at..).unwrap_or_default()
    }

    /// RFC 9112 3: a token and one space.
    fn method(&mut self, shown: &[u8]) -> Result<Step, Fault> {
        self.at += token_len(self.rest(shown));
        if self.at > LONGEST_METHOD {
            return Err(malformed("RFC 9112 3.1: the method is too long"));
        }
        match shown.get(self.at) {
            None => Ok(Step::Wait),
            Some(b' ') if self.at > 0 => {
                self.mark = self.at;
                Ok(self.go(1, Part::Target))
            }
            Some(_) => Err(malformed("RFC 9112 3.1: the method is not a token")),
        }
    }

    /// RFC 9112 3: visible ASCII characters and one space.
    fn target(&mut self, shown: &[u8], limit: usize) -> Result<Step, Fault> {
        self.at += target_len(self.rest(shown));
        let len = self.at.saturating_sub(self.mark + 1);
        if len > limit {
            let kind = FaultKind::TargetTooLong;
            let why = "RFC 9112 3: the request target is too long";
            return Err(Fault { kind, why });
        }
        match shown.get(self.at) {
            None => Ok(Step::Wait),
            Some(b' ') if len > 0 => {
                self.middle = self.at;
                Ok(self.go(1, Part::RequestVersion))
            }
            Some(b'\r' | b'\n') => Err(malformed("RFC 9112 3: the request line has no version")),
            Some(_) => Err(malformed(
                "RFC 9112 3.2: the request target has a byte that it cannot have",
            )),
        }
    }

    /// RFC 9112 3: the version ends the request line.
    fn request_version(&mut self, shown: &[u8], sink: &mut impl Sink) -> Result<Step, Fault> {
        let rest = self.rest(shown);
        let Some(version) = version(rest)? else {
            return Ok(Step::Wait);
        };
        match rest.get(8..10) {
            Some(b"\r\n") => {}
            Some([b'\r', _]) => return Err(bare_cr()),
            Some(_) => return Err(malformed("RFC 9112 3: the request line goes on")),
            None if matches!(rest.get(8), None | Some(b'\r')) => return Ok(Step::Wait),
            None => return Err(malformed("RFC 9112 3: the request line goes on")),
        }
        let method = shown.get(..self.mark).unwrap_or_default();
        let target = shown.get(self.mark + 1..self.middle).unwrap_or_default();
        sink.request(method, target, version)?;
        Ok(self.go(10, Part::Line))
    }

    /// RFC 9112 4: version, space, three digits; the space after them is left out by servers that
    /// have nothing to say behind it.
    fn status_version(&mut self, shown: &[u8]) -> Result<Step, Fault> {
        let rest = self.rest(shown);
        let Some(version) = version(rest)? else {
            return Ok(Step::Wait);
        };
        let code = rest.get(8..).unwrap_or_default();
        if !matches!(code.first(), None | Some(b' ')) {
            return Err(malformed("RFC 9112 4: no space after the version"));
        }
        let digits = code.get(1..).unwrap_or_default();
        let digits = digits.get(..3).unwrap_or(digits);
        if !digits.iter().all(u8::is_ascii_digit) || matches!(digits.first(), Some(b'0' | b'6'..)) {
            return Err(malformed(
                "RFC 9110 15: the status is not between 100 and 599",
            ));
        }
        let Some(next) = code.get(4) else {
            return Ok(Step::Wait);
        };
        if !matches!(next, b' ' | b'\r') {
            return Err(malformed("RFC 9112 4: the status has not three digits"));
        }
        let add = |sum: u16, digit: &u8| sum * 10 + u16::from(digit - b'0');
        self.status = digits.iter().fold(0, add);
        self.version = version;
        Ok(self.go(12, Part::Reason))
    }

    /// RFC 9112 4: what is said of the status is for nobody to act on.
    fn reason(&mut self, shown: &[u8], sink: &mut impl Sink) -> Result<Step, Fault> {
        self.at += value_len(self.rest(shown));
        if !line_ends(self.rest(shown))? {
            return Ok(Step::Wait);
        }
        sink.status(self.version, self.status);
        Ok(self.go(2, Part::Line))
    }

    /// Takes the field lines that are all there and have nothing wrong with them, which is most of
    /// them. The first other one is left, so that the steps below say what is missing or wrong.
    fn whole_lines(
        &mut self,
        shown: &[u8],
        most: usize,
        sink: &mut impl Sink,
    ) -> Result<(), Fault> {
        let mut rest = self.rest(shown);
        while self.fields < most {
            let name = token_len(rest);
            let (Some((name, [b':', line @ ..])), true) = (rest.split_at_checked(name), name > 0)
            else {
                break;
            };
            let value = value_len(line);
            let Some((value, [b'\r', b'\n', after @ ..])) = line.split_at_checked(value) else {
                break;
            };
            sink.field(name, trim(value))?;
            self.fields += 1;
            rest = after;
        }
        self.at = shown.len().saturating_sub(rest.len());
        Ok(())
    }

    /// The start of a line: the empty one ends the section.
    fn line(&mut self, shown: &[u8], most: usize) -> Result<Step, Fault> {
        match self.rest(shown) {
            [] | [b'\r'] => Ok(Step::Wait),
            [b'\r', b'\n', ..] => {
                self.at += 2;
                Ok(Step::Done)
            }
            [b'\r', ..] => Err(bare_cr()),
            [b'\n', ..] => Err(bare_lf()),
            [b' ' | b'\t', ..] if self.fields == 0 => Err(malformed(
                "RFC 9112 2.2: white space before the first header field",
            )),
            [b' ' | b'\t', ..] => Err(malformed("RFC 9112 5.2: a header field is folded")),
            _ if self.fields == most => Err(too_large("RFC 9110 5.4: too many header fields")),
            _ => {
                self.fields += 1;
                self.mark = self.at;
                Ok(self.go(0, Part::Name))
            }
        }
    }

    /// RFC 9112 5.1: a token and, without space, a colon.
    fn name(&mut self, shown: &[u8]) -> Result<Step, Fault> {
        self.at += token_len(self.rest(shown));
        match shown.get(self.at) {
            None => Ok(Step::Wait),
            Some(b':') if self.at > self.mark => {
                self.middle = self.at;
                Ok(self.go(1, Part::Value))
            }
            Some(b':') => Err(malformed("RFC 9110 5.1: a header field has no name")),
            Some(b' ' | b'\t') => Err(malformed("RFC 9112 5.1: white space before the colon")),
            Some(_) => Err(malformed(
                "RFC 9110 5.1: a header name has a byte that it cannot have",
            )),
        }
    }

    /// RFC 9110 5.5: no control character but tab, up to the line's end.
    fn value(&mut self, shown: &[u8], sink: &mut impl Sink) -> Result<Step, Fault> {
        self.at += value_len(self.rest(shown));
        if !line_ends(self.rest(shown))? {
            return Ok(Step::Wait);
        }
        let name = shown.get(self.mark..self.middle).unwrap_or_default();
        let value = shown.get(self.middle + 1..self.at).unwrap_or_default();
        sink.field(name, trim(value))?;
        Ok(self.go(2, Part::Line))
    }

    fn go(&mut self, count: usize, part: Part) -> Step {
        self.at += count;
        self.part = part;
        Step::Go
    }
}

impl Limits {
    /// Only a section that began with a status line is a response's head.
    fn fields_of(&self, status: u16) -> usize {
        if status == 0 {
            self.request_fields
        } else {
            self.response_fields
        }
    }
}

/// The version at the front, if all its bytes are there (RFC 9112 2.3).
fn version(bytes: &[u8]) -> Result<Option<Version>, Fault> {
    match bytes.get(..8) {
        Some(b"HTTP/1.1") => return Ok(Some(Version::Http11)),
        Some(b"HTTP/1.0") => return Ok(Some(Version::Http10)),
        Some(_) | None => {}
    }
    let is_right = |(byte, like): (&u8, &u8)| match like {
        b'9' => byte.is_ascii_digit(),
        like => byte == like,
    };
    if !bytes.iter().zip(b"HTTP/9.9").all(is_right) {
        return Err(malformed("RFC 9112 2.3: what should be a version is none"));
    }
    if bytes.len() < 8 {
        return Ok(None);
    }
    let kind = FaultKind::Version;
    let why = "RFC 9110 2.5: neither HTTP/1.0 nor HTTP/1.1";
    Err(Fault { kind, why })
}

/// Whether the line ends here; `false`: more bytes will tell (RFC 9112 2.2).
fn line_ends(bytes: &[u8]) -> Result<bool, Fault> {
    match bytes {
        [] | [b'\r'] => Ok(false),
        [b'\r', b'\n', ..] => Ok(true),
        [b'\r', ..] => Err(bare_cr()),
        [b'\n', ..] => Err(bare_lf()),
        [0, ..] => Err(malformed("RFC 9110 5.5: NUL in a line")),
        _ => Err(malformed("RFC 9110 5.5: a control character in a line")),
    }
}

pub(super) const fn bare_cr() -> Fault {
    malformed("RFC 9112 2.2: CR without LF")
}

pub(super) const fn bare_lf() -> Fault {
    malformed("RFC 9112 2.2: LF without CR")
}

const fn too_large(why: &'static str) -> Fault {
    let kind = FaultKind::HeadTooLarge;
    Fault { kind, why }
}
