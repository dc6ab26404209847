//! The differences that are known, with their reasons, and their part of docs/hostile-input.md.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::entries::{ENTRIES, Entry};
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

fn entry(peer: &str, found: &Found) -> Option<&'static Entry> {
    let (chapter, name) = found.case.split_once(": ")?;
    ENTRIES.iter().find(|entry| {
        let about = entry.cases.is_empty() || entry.cases.iter().any(|part| name.contains(part));
        entry.peer == peer
            && entry.difference == found.difference
            && entry.chapters.contains(&chapter)
            && about
    })
}

/// Compares what was found at a peer with what the document names.
#[track_caller]
pub(super) fn check(peer: &'static str, found: Vec<Found>) {
    let mut by_entry: BTreeMap<usize, Vec<&Found>> = BTreeMap::new();
    let mut unnamed = String::new();
    for one in &found {
        match entry(peer, one) {
            Some(named) => {
                let place = ENTRIES.iter().position(|other| std::ptr::eq(other, named));
                by_entry
                    .entry(place.unwrap_or_default())
                    .or_default()
                    .push(one);
            }
            None => {
                let words = one.difference.words();
                let _infallible = writeln!(unnamed, "{peer} {words}: {}", one.case);
            }
        }
    }
    let mut text = String::new();
    for (place, entry) in ENTRIES
        .iter()
        .enumerate()
        .filter(|(_, entry)| entry.peer == peer)
    {
        let words = entry.difference.words();
        let cases = by_entry.remove(&place).unwrap_or_default();
        let (name, reason) = (entry.name, entry.reason);
        let _infallible = writeln!(text, "\n**{name}.** {peer} {words}: {reason}\n");
        for case in cases {
            let _infallible = writeln!(text, "- `{}`", case.case);
        }
    }
    assert!(
        unnamed.is_empty(),
        "differences without a name and a reason:\n{unnamed}"
    );
    document::check(&format!("differences of {peer}"), &text);
}
