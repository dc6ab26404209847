//! The known differences: what differs, and why that is right.

mod envoy;
mod haproxy;

use super::table::Difference;

/// One difference with its reason.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: &'static str,
    pub(super) peer: &'static str,
    pub(super) difference: Difference,
    /// Chapters of the corpus that show it.
    pub(super) chapters: &'static [&'static str],
    pub(super) reason: &'static str,
}

/// All of them; the one of a peer, a difference and a chapter names the cases there.
pub(super) fn entries() -> impl Iterator<Item = &'static Entry> {
    envoy::ENTRIES.iter().chain(haproxy::ENTRIES)
}

/// What is not compared: a peer, a chapter, and the cases, or none for all of the chapter.
pub(super) const LEFT_OUT: &[(&str, &str, &[&str])] = &[
    // Whether content behind the announced length is seen before the request was passed on.
    (
        "Envoy",
        "h2-heads",
        &[
            "a body behind 0",
            "a request behind the length",
            "too long in pieces",
        ],
    ),
    // Bounds of sizes and floods are everybody's own.
    ("Envoy", "floods", &[]),
    ("Envoy", "limits", &[]),
    ("HAProxy", "floods", &[]),
    ("HAProxy", "limits", &[]),
    // An internal check of HAProxy 2.6.12 ends its process on some of these answers, now and then.
    ("HAProxy", "h2-answers", &[]),
    // Whether the beginning of the request has left before the fault is seen is chance.
    (
        "HAProxy",
        "chunks",
        &[
            "a byte that no name has",
            "a space before the colon",
            "white space first",
            "no colon",
            "no name",
        ],
    ),
    ("Envoy", "h2-frames", &["one behind a whole head"]),
    ("HAProxy", "h2-frames", &["one behind a whole head"]),
    // Both take a preface that comes in pieces for HTTP/1 when a piece ends in the wrong place, and
    // close: whether one does is chance.
    ("Envoy", "h2-frames", &["byte by byte"]),
    ("HAProxy", "h2-frames", &["byte by byte"]),
    ("Envoy", "h2-streams", &["byte by byte"]),
    ("HAProxy", "h2-streams", &["byte by byte"]),
];
