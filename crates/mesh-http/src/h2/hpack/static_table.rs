//! The static table (RFC 7541 appendix A), by index and by field.

use super::hash;

/// Entries by index; the first has index 1.
#[rustfmt::skip]
pub(super) static ENTRIES: [(&[u8], &[u8]); LEN] = FIELDS;

/// How many entries there are.
pub(super) const LEN: usize = 61;

#[rustfmt::skip]
const FIELDS: [(&[u8], &[u8]); LEN] = [
    (b":authority", b""),
    (b":method", b"GET"),
    (b":method", b"POST"),
    (b":path", b"/"),
    (b":path", b"/index.html"),
    (b":scheme", b"http"),
    (b":scheme", b"https"),
    (b":status", b"200"),
    (b":status", b"204"),
    (b":status", b"206"),
    (b":status", b"304"),
    (b":status", b"400"),
    (b":status", b"404"),
    (b":status", b"500"),
    (b"accept-charset", b""),
    (b"accept-encoding", b"gzip, deflate"),
    (b"accept-language", b""),
    (b"accept-ranges", b""),
    (b"accept", b""),
    (b"access-control-allow-origin", b""),
    (b"age", b""),
    (b"allow", b""),
    (b"authorization", b""),
    (b"cache-control", b""),
    (b"content-disposition", b""),
    (b"content-encoding", b""),
    (b"content-language", b""),
    (b"content-length", b""),
    (b"content-location", b""),
    (b"content-range", b""),
    (b"content-type", b""),
    (b"cookie", b""),
    (b"date", b""),
    (b"etag", b""),
    (b"expect", b""),
    (b"expires", b""),
    (b"from", b""),
    (b"host", b""),
    (b"if-match", b""),
    (b"if-modified-since", b""),
    (b"if-none-match", b""),
    (b"if-range", b""),
    (b"if-unmodified-since", b""),
    (b"last-modified", b""),
    (b"link", b""),
    (b"location", b""),
    (b"max-forwards", b""),
    (b"proxy-authenticate", b""),
    (b"proxy-authorization", b""),
    (b"range", b""),
    (b"referer", b""),
    (b"refresh", b""),
    (b"retry-after", b""),
    (b"server", b""),
    (b"set-cookie", b""),
    (b"strict-transport-security", b""),
    (b"transfer-encoding", b""),
    (b"user-agent", b""),
    (b"vary", b""),
    (b"via", b""),
    (b"www-authenticate", b""),
];

/// The entry with `index`, which is 1 at least.
#[inline]
pub(super) fn entry(index: usize) -> Option<(&'static [u8], &'static [u8])> {
    ENTRIES.get(index.checked_sub(1)?).copied()
}

/// The first index with that name, whose [`hash::of`] is `hashed`.
#[inline]
pub(super) fn index_of_name(hashed: u64, name: &[u8]) -> Option<usize> {
    let mut slot = slot_of(hashed);
    // Ends: most slots are empty.
    loop {
        let index = usize::from(NAMES.get(slot).copied().unwrap_or_default());
        let (candidate, _) = entry(index)?;
        if candidate == name {
            return Some(index);
        }
        slot = (slot + 1) % NAME_SLOTS;
    }
}

/// The index with that value among those that have the name of `first`, the first with that name.
#[inline]
pub(super) fn index_of_value(first: usize, value: &[u8]) -> Option<usize> {
    let last = match first {
        METHOD => METHOD + 1,
        PATH => PATH + 1,
        SCHEME => SCHEME + 1,
        STATUS => STATUS + 6,
        ACCEPT_ENCODING => ACCEPT_ENCODING,
        _ => return None,
    };
    (first..=last).find(|index| entry(*index).is_some_and(|(_, found)| found == value))
}

// The names that have entries with values.
const METHOD: usize = 2;
const PATH: usize = 4;
const SCHEME: usize = 6;
const STATUS: usize = 8;
const ACCEPT_ENCODING: usize = 16;

const NAME_SLOTS: usize = 256;

/// The first index of each name, at the slot of its hash or the next one that was free.
static NAMES: [u8; NAME_SLOTS] = names();

const fn slot_of(hashed: u64) -> usize {
    hashed as usize % NAME_SLOTS
}

#[expect(
    clippy::indexing_slicing,
    reason = "evaluated by the compiler: an index out of range would not compile"
)]
const fn names() -> [u8; NAME_SLOTS] {
    let mut slots = [0; NAME_SLOTS];
    let mut at = 0;
    while at < LEN {
        // The names that have several entries: the first stands for all.
        let again = matches!(at + 1, 3 | 5 | 7 | 9..=14);
        if !again {
            let mut slot = slot_of(hash::of(FIELDS[at].0, 0));
            while slots[slot] != 0 {
                slot = (slot + 1) % NAME_SLOTS;
            }
            slots[slot] = at as u8 + 1;
        }
        at += 1;
    }
    slots
}

#[cfg(test)]
mod tests;
