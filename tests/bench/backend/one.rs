//! HTTP/1.1 at the back end: pipelined heads, bodies by length; every request is answered.

use super::BIG;
use super::answers::Answers;

/// What is known between two reads.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// Bytes of a request's body that are still to come.
    body: usize,
}

impl Reader {
    /// Answers what is there.
    pub(super) fn read(&mut self, inbox: &[u8], answers: &Answers, out: &mut Vec<u8>) -> Said {
        let mut said = Said::default();
        let mut rest = inbox;
        loop {
            let swallowed = self.body.min(rest.len());
            self.body -= swallowed;
            rest = rest.get(swallowed..).unwrap_or_default();
            let Some((head, after)) = split_head(rest).filter(|_| self.body == 0) else {
                said.used = inbox.len() - rest.len();
                return said;
            };
            self.body = content_length(head).unwrap_or(0);
            if let Some(path) = head.strip_prefix(TOGETHER) {
                said.together = number(path);
            } else if head.starts_with(b"GET /big") {
                out.extend_from_slice(&answers.big);
                said.big += BIG;
            } else {
                out.extend_from_slice(&answers.one);
            }
            rest = after;
        }
    }
}

/// `/together/N` is answered when N such requests wait, on a connection each.
const TOGETHER: &[u8] = b"GET /together/";

/// What came of a read.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// Bytes that were used.
    pub(super) used: usize,
    /// Bytes of `/big` that follow the answers.
    pub(super) big: usize,
    /// A request that waits for so many others.
    pub(super) together: Option<usize>,
}

/// The digits at the start.
fn number(text: &[u8]) -> Option<usize> {
    let digits = text.split(|byte| !byte.is_ascii_digit()).next()?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// A head without its empty line, and what follows.
pub(crate) fn split_head(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.windows(4).position(|end| end == b"\r\n\r\n")?;
    Some((bytes.get(..end)?, bytes.get(end + 4..)?))
}

/// The length that a head announces.
pub(crate) fn content_length(head: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"content-length:";
    let mut lines = head.split(|byte| *byte == b'\n');
    let value = lines.find_map(|line| {
        let (name, value) = line.split_at_checked(NAME.len())?;
        name.eq_ignore_ascii_case(NAME).then_some(value)
    })?;
    std::str::from_utf8(value).ok()?.trim().parse().ok()
}
