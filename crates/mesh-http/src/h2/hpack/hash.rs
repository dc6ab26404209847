//! A hash for finding fields in the encoder's tables. It is fast, not secret: who can foresee it
//! makes the encoder find less, never work more.

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
    let (low, high) = ends(rest);
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
    } else if let [first, .., last] = bytes {
        // Two or three bytes; of three, the one between is missing, which only costs a comparison.
        ((*first as u64) << 8 | *last as u64, bytes.len() as u64)
    } else if let [only] = bytes {
        (*only as u64, 1)
    } else {
        (0, 0)
    }
}
