//! What the back end has seen, by the name of the case.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use crate::case::{ID, Script};

/// Among the fields of a request of HTTP/2: the value of `:scheme`.
pub(crate) const SCHEME: &str = "(scheme)";
/// Among the fields of a request of HTTP/2: names of the fields that are never indexed.
pub(crate) const SECRETS: &str = "(never indexed)";

/// A request as it came.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Received {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) host: String,
    pub(crate) fields: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<(String, Vec<u8>)>,
}

/// Something that the back end has seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    /// A complete request.
    Whole(Received),
    /// The beginning of a request whose connection or stream ended before it was complete.
    Part(Received),
    /// Bytes that are not an unambiguous request.
    Wrong { why: String, raw: Vec<u8> },
}

/// The book that all connections write into.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    seen: Mutex<BTreeMap<String, Vec<Seen>>>,
    scripts: Mutex<BTreeMap<String, Script>>,
}

impl Recorder {
    /// Says how requests of a case are answered.
    pub(crate) fn play(&self, id: &str, script: Script) {
        self.scripts.lock().insert(id.to_owned(), script);
    }

    /// How a request of a case is answered; what follows it is answered well.
    pub(crate) fn script(&self, id: &str, path: &str) -> Script {
        let probe = ["/after", "/good", "/next"]
            .iter()
            .any(|end| path.ends_with(end));
        let found = self.scripts.lock().get(id).cloned();
        found.filter(|_| !probe).unwrap_or(Script::Good)
    }

    pub(crate) fn note(&self, id: &str, seen: Seen) {
        self.seen
            .lock()
            .entry(id.to_owned())
            .or_default()
            .push(seen);
    }

    /// Everything that was seen of a case.
    pub(crate) fn of(&self, id: &str) -> Vec<Seen> {
        self.seen.lock().get(id).cloned().unwrap_or_default()
    }

    /// Everything that names no case.
    pub(crate) fn strays(&self) -> Vec<Seen> {
        self.of("")
    }
}

/// The name of the case that a request belongs to: of its path, or else of its field `x-case`.
pub(crate) fn case_of(path: &str, fields: &[(String, Vec<u8>)]) -> String {
    let marked = fields.iter().find(|(name, _)| name == "x-case");
    let marked = marked.and_then(|(_, value)| name_in(value));
    name_in(path.as_bytes()).or(marked).unwrap_or_default()
}

/// The first name of a case in some bytes: a small letter and seven digits.
pub(crate) fn name_in(bytes: &[u8]) -> Option<String> {
    let is_name = |window: &&[u8]| {
        matches!(window, [letter, digits @ ..]
            if b"gseh".contains(letter) && digits.iter().all(u8::is_ascii_digit))
    };
    let found = bytes.windows(ID.len()).find(is_name)?;
    Some(String::from_utf8_lossy(found).into_owned())
}
