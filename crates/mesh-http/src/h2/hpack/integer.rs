//! Integers with a prefix (RFC 7541 5.1).
//!
//! The RFC asks for a limit: ours is what 32 bits hold, in at most five octets after the first.

use super::HpackError;

/// Octets after the first. Five carry 35 bits.
const MAX_CONTINUATION: u32 = 5;

/// The integer whose first octet, already taken from `rest`, is `first`; `mask` has the prefix's
/// bits set.
#[inline]
pub(super) fn read(first: u8, mask: u8, rest: &mut &[u8]) -> Result<usize, HpackError> {
    let prefix = first & mask;
    if prefix < mask {
        return Ok(usize::from(prefix));
    }
    read_continuation(mask, rest)
}

fn read_continuation(mask: u8, rest: &mut &[u8]) -> Result<usize, HpackError> {
    let mut value = u64::from(mask);
    for position in 0..MAX_CONTINUATION {
        let Some((&octet, tail)) = rest.split_first() else {
            return Err(HpackError::Truncated);
        };
        *rest = tail;
        value += u64::from(octet & 0x7f) << (7 * position);
        if octet < 0x80 {
            return u32::try_from(value)
                .ok()
                .and_then(|value| usize::try_from(value).ok())
                .ok_or(HpackError::IntegerTooLarge);
        }
    }
    Err(HpackError::IntegerTooLarge)
}

/// Appends `value`; `pattern` is what stands before the prefix, `mask` has the prefix's bits set.
#[inline]
pub(super) fn write(out: &mut Vec<u8>, pattern: u8, mask: u8, value: usize) {
    match u8::try_from(value) {
        Ok(value) if value < mask => out.push(pattern | value),
        _ => write_continuation(out, pattern, mask, value),
    }
}

fn write_continuation(out: &mut Vec<u8>, pattern: u8, mask: u8, value: usize) {
    out.push(pattern | mask);
    let mut left = value - usize::from(mask);
    while left >= 0x80 {
        out.push(low_seven(left) | 0x80);
        left >>= 7;
    }
    out.push(low_seven(left));
}

fn low_seven(value: usize) -> u8 {
    (value & 0x7f) as u8
}

#[cfg(test)]
mod tests;
