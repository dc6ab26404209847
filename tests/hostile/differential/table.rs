//! The differences that are known, with their reasons, and their part of docs/hostile-input.md.

use std::fmt::Write as _;

use super::entries::{Entry, entries};
use crate::document;

/// How a peer judges otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Difference {
    /// Its back end gets what is no unambiguous request.
    PassesOnNonsense,
    /// It passes on a request that we refuse.
    Accepts,
    /// It refuses a request that we pass on.
    Refuses,
    /// It passes on another request than we do.
    PassesOnOtherwise,
    /// It passes on an answer as whole that we break off.
    LooksWhole,
    /// It breaks off or changes an answer that we pass on.
    SpoilsAnswer,
    /// It bears what we end the connection for.
    Bears,
    /// Its process dies.
    Dies,
}

impl Difference {
    fn words(self) -> &'static str {
        match self {
            Self::PassesOnNonsense => "passes on what a strict back end cannot read",
            Self::Accepts => "accepts what we refuse",
            Self::Refuses => "refuses what we accept",
            Self::PassesOnOtherwise => "passes on another request than we do",
            Self::LooksWhole => "passes on as whole an answer that we break off",
            Self::SpoilsAnswer => "spoils or changes an answer that we pass on",
            Self::Bears => "bears what we end the connection for",
            Self::Dies => "dies",
        }
    }
}

/// A difference that was found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Found {
    /// Chapter and name.
    pub(super) case: String,
    pub(super) difference: Difference,
}

fn names(entry: &Entry, peer: &str, found: &Found) -> bool {
    let chapter = found.case.split_once(": ").map(|(chapter, _)| chapter);
    entry.peer == peer
        && entry.difference == found.difference
        && chapter.is_some_and(|chapter| entry.chapters.contains(&chapter))
}

/// The differences that the document names.
pub(super) fn documented(peer: &str) -> Vec<Found> {
    let text = document::part(&format!("differences of {peer}"));
    let mut found = Vec::new();
    for entry in entries().filter(|entry| entry.peer == peer) {
        let title = format!("**{}.**", entry.name);
        let block = text.split_once(&title).map(|(_, rest)| rest);
        let cases = block.unwrap_or_default().lines().skip(2);
        let cases = cases.map_while(|line| line.strip_prefix("- `")?.strip_suffix('`'));
        found.extend(cases.map(|case| Found {
            case: case.to_owned(),
            difference: entry.difference,
        }));
    }
    found
}

/// Compares what was found at a peer with what the document names.
#[track_caller]
pub(super) fn check(peer: &'static str, found: &[Found]) {
    let mut unnamed = String::new();
    for one in found {
        if !entries().any(|entry| names(entry, peer, one)) {
            let words = one.difference.words();
            let _infallible = writeln!(unnamed, "{peer} {words}: {}", one.case);
        }
    }
    assert!(
        unnamed.is_empty(),
        "differences without a name and a reason:\n{unnamed}"
    );
    let mut text = String::new();
    for entry in entries().filter(|entry| entry.peer == peer) {
        let (name, words, reason) = (entry.name, entry.difference.words(), entry.reason);
        let _infallible = writeln!(text, "\n**{name}.** {peer} {words}: {reason}\n");
        let mut cases = found
            .iter()
            .filter(|one| names(entry, peer, one))
            .peekable();
        assert!(cases.peek().is_some(), "the difference {name:?} is gone");
        for one in cases {
            let _infallible = writeln!(text, "- `{}`", one.case);
        }
    }
    document::check(&format!("differences of {peer}"), &text);
}
