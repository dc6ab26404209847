//! Which bytes may stand where in a message (RFC 9110 5.5 and 5.6.2, RFC 9112 3).
//!
//! Tokens are short and looked up byte by byte; targets and values are long and run through eight
//! bytes at a time.

/// How many bytes at the front may be part of a token (RFC 9110 5.6.2).
#[inline]
pub(crate) fn token_len(bytes: &[u8]) -> usize {
    let end = bytes.iter().position(|byte| !is_token(*byte));
    end.unwrap_or(bytes.len())
}

/// How many bytes at the front may be part of a field value: visible characters, space, tab and
/// everything above ASCII (RFC 9110 5.5).
#[inline]
pub(crate) fn value_len(bytes: &[u8]) -> usize {
    let mut at = 0;
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        at += run(rest, |word| below(word, 0x20) | equal(word, 0x7f));
        if bytes.get(at) != Some(&b'\t') {
            return at;
        }
        at += 1;
    }
}

/// How many bytes at the front may be part of a request target: visible ASCII characters.
#[inline]
pub(crate) fn target_len(bytes: &[u8]) -> usize {
    run(bytes, |word| {
        below(word, 0x21) | equal(word, 0x7f) | (word & HIGH)
    })
}

/// Whether a byte may be part of a token.
#[inline]
pub(crate) fn is_token(byte: u8) -> bool {
    #[expect(clippy::indexing_slicing, reason = "a byte is less than 256")]
    TOKEN[usize::from(byte)]
}

/// Without the white space round it (RFC 9110 5.6.3).
#[inline]
pub(crate) fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

const TOKEN: [bool; 256] = tokens();

const fn tokens() -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        #[expect(clippy::indexing_slicing, reason = "the byte is less than 128")]
        {
            table[byte as usize] = byte.is_ascii_alphanumeric()
                || matches!(
                    byte,
                    b'!' | b'#'
                        | b'$'
                        | b'%'
                        | b'&'
                        | b'\''
                        | b'*'
                        | b'+'
                        | b'-'
                        | b'.'
                        | b'^'
                        | b'_'
                        | b'`'
                        | b'|'
                        | b'~'
                );
        }
        byte += 1;
    }
    table
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// The high bit of each byte below `limit` (at most 128). Bytes after the first one marked may be
/// marked wrongly, the first never is.
#[inline]
fn below(word: u64, limit: u8) -> u64 {
    word.wrapping_sub(ONES.wrapping_mul(u64::from(limit))) & !word & HIGH
}

/// The high bit of each byte that is `byte`, with the reservation of [`below`].
#[inline]
fn equal(word: u64, byte: u8) -> u64 {
    below(word ^ ONES.wrapping_mul(u64::from(byte)), 1)
}

/// How many bytes lie before the first that `marks` finds.
#[inline]
fn run(bytes: &[u8], marks: impl Fn(u64) -> u64) -> usize {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut at = 0;
    for word in words {
        let found = marks(u64::from_le_bytes(*word));
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    // The last bytes are filled up to a word with letters, which no mark finds.
    let mut last = [b'x'; 8];
    for (to, from) in last.iter_mut().zip(rest) {
        *to = *from;
    }
    let found = marks(u64::from_le_bytes(last));
    let within = (found.trailing_zeros() as usize / 8).min(rest.len());
    at + within
}

#[cfg(test)]
mod tests;
