//! The known differences: what differs, and why that is right.

use super::table::Difference;

/// One difference with its reason.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: &'static str,
    pub(super) peer: &'static str,
    pub(super) difference: Difference,
    /// Chapters of the corpus that show it.
    pub(super) chapters: &'static [&'static str],
    /// Parts of the names of the cases; none: all cases of the chapters.
    pub(super) cases: &'static [&'static str],
    pub(super) reason: &'static str,
}

/// The first that fits names a difference.
pub(super) const ENTRIES: &[Entry] = &[];
