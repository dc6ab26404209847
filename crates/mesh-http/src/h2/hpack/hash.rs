//! Hashing and comparing the short strings of header fields, for the encoder to find them. The hash
//! is fast, not secret: who can foresee it makes the encoder find less, never work more.

const FIRST: u64 = 0x9e37_79b9_7f4a_7c15;
const SECOND: u64 = 0xd1b5_4a32_d192_ed03;

/// The hash of `bytes`; `seed` distinguishes what stood before them.
#[inline]
pub(super) const fn of(bytes: &[u8], seed: u64) -> u64 {
    let mut state = seed ^ (bytes.len() as u64).wrapping_mul(SECOND);
    let mut rest = bytes;
    while rest.len() > 16
        && let Some((chunk, tail)) = rest.split_first_chunk::<16>()
    {
        let both = u128::from_le_bytes(*chunk);
        state = mix(state, both as u64, (both >> 64) as u64);
        rest = tail;
    }
    // Of what is longer than that, the last sixteen, whether or not some of them were taken.
    let (low, high) = match bytes.last_chunk::<16>() {
        Some(last) => ends(last),
        None => ends(bytes),
    };
    mix(state, low, high)
}

const fn mix(state: u64, low: u64, high: u64) -> u64 {
    let product = ((low ^ state ^ FIRST) as u128) * ((high ^ SECOND) as u128);
    (product as u64) ^ ((product >> 64) as u64)
}

/// All of up to sixteen bytes, in two overlapping halves.
#[inline]
const fn ends(bytes: &[u8]) -> (u64, u64) {
    if let Some(first) = bytes.first_chunk::<8>()
        && let Some(last) = bytes.last_chunk::<8>()
    {
        (u64::from_le_bytes(*first), u64::from_le_bytes(*last))
    } else if let Some(first) = bytes.first_chunk::<4>()
        && let Some(last) = bytes.last_chunk::<4>()
    {
        (
            u32::from_le_bytes(*first) as u64,
            u32::from_le_bytes(*last) as u64,
        )
    } else if let [first, between @ .., last] = bytes {
        let between = match between {
            [only] => *only as u64,
            _ => 0,
        };
        ((*first as u64) << 8 | *last as u64, between)
    } else if let [only] = bytes {
        (*only as u64, 0)
    } else {
        (0, 0)
    }
}

/// Whether two strings are the same. Most are short: that needs no call.
#[inline]
pub(super) fn same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    if one.len() > 64 {
        return one == other;
    }
    let (mut one_rest, mut other_rest) = (one, other);
    while let Some((a, one_tail)) = one_rest.split_first_chunk::<16>()
        && let Some((b, other_tail)) = other_rest.split_first_chunk::<16>()
    {
        if a != b {
            return false;
        }
        (one_rest, other_rest) = (one_tail, other_tail);
    }
    ends_same::<16>(one, other)
        .or_else(|| ends_same::<8>(one, other))
        .or_else(|| ends_same::<4>(one, other))
        .unwrap_or_else(|| one.iter().zip(other).all(|(a, b)| a == b))
}

/// Whether the first and the last `N` octets are the same, if there are as many.
#[inline]
fn ends_same<const N: usize>(one: &[u8], other: &[u8]) -> Option<bool> {
    let first = one.first_chunk::<N>()? == other.first_chunk::<N>()?;
    let last = one.last_chunk::<N>()? == other.last_chunk::<N>()?;
    Some(first & last)
}

#[cfg(test)]
mod tests;
