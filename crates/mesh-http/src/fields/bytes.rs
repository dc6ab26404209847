//! Which bytes may stand where in a message (RFC 9110 5.5 and 5.6.2, RFC 9112 3).
//!
//! Long runs go through eight bytes at a time; short ones, and what such a step cannot tell, are
//! looked up.

/// How many bytes at the front may be part of a token (RFC 9110 5.6.2).
#[inline]
pub(crate) fn token_len(bytes: &[u8]) -> usize {
    // Names are short: the table in fours was faster than words.
    let (fours, _) = bytes.as_chunks::<4>();
    let are_tokens =
        |[a, b, c, d]: &[u8; 4]| is_token(*a) & is_token(*b) & is_token(*c) & is_token(*d);
    let whole = fours.iter().take_while(|four| are_tokens(four)).count();
    let rest = bytes.get(whole * 4..).unwrap_or_default();
    let more = rest.iter().take_while(|byte| is_token(**byte)).count();
    whole * 4 + more
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

/// How many bytes stand before the first one that is `byte`; all if there is none.
#[inline]
pub(crate) fn len_before(bytes: &[u8], byte: u8) -> usize {
    run(bytes, |word| equal(word, byte))
}

/// Whether all bytes are of those that almost every host name consists of: letters in lower case,
/// digits, hyphen and dot.
#[inline]
pub(crate) fn is_name_word(word: &[u8; 8]) -> bool {
    let word = u64::from_le_bytes(*word);
    let plain = within(word, b'a', b'z') | within(word, b'0', b'9') | within(word, b'-', b'.');
    plain & !word & HIGH == HIGH
}

/// Whether a byte may be part of a token.
#[inline]
pub(crate) fn is_token(byte: u8) -> bool {
    #[expect(clippy::indexing_slicing, reason = "a byte is less than 256")]
    TOKEN[usize::from(byte)]
}

/// Whether all bytes may be part of a field name of HTTP/2: of a token, and not in upper case
/// (RFC 9113 8.2).
#[inline]
pub(crate) fn is_lower_token(name: &[u8]) -> bool {
    let is_lower = |byte: &u8| is_token(*byte) && !byte.is_ascii_uppercase();
    let is_plain = |word: u64| {
        let plain = within(word, b'a', b'z') | within(word, b'-', b'-');
        (plain & !word & HIGH) == HIGH
    };
    let (words, rest) = name.as_chunks::<8>();
    let are_words = words
        .iter()
        .all(|word| is_plain(u64::from_le_bytes(*word)) || word.iter().all(is_lower));
    are_words && rest.iter().all(is_lower)
}

/// The high bit of each ASCII byte from `first` to `last`; of other bytes it means nothing.
#[inline]
fn within(word: u64, first: u8, last: u8) -> u64 {
    // Seven bits and a number of at most seven bits: no sum runs over into the next byte.
    let word = word & !HIGH;
    let from_first = word.wrapping_add(ONES.wrapping_mul(u64::from(0x80 - first)));
    let after_last = word.wrapping_add(ONES.wrapping_mul(u64::from(0x7f - last)));
    from_first ^ after_last
}

/// Whether a token has a letter in upper case.
#[inline]
pub(crate) fn has_upper(token: &[u8]) -> bool {
    let (words, rest) = token.as_chunks::<8>();
    let in_word = |word: &[u8; 8]| {
        let word = u64::from_le_bytes(*word);
        within(word, b'A', b'Z') & HIGH != 0
    };
    words.iter().any(in_word) || rest.iter().any(u8::is_ascii_uppercase)
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
    if rest.is_empty() {
        return at;
    }
    if let Some(last) = bytes.last_chunk::<8>() {
        // Some of these were looked at before, and none of them was marked.
        let found = marks(u64::from_le_bytes(*last));
        // Of no mark there are 64 zeros: then all eight bytes are good.
        return bytes.len() - 8 + found.trailing_zeros() as usize / 8;
    }
    // Few bytes are filled up to a word with letters, which no mark finds.
    let fill = ONES.wrapping_mul(u64::from(b'x'));
    let word = rest
        .iter()
        .rev()
        .fold(fill, |word, byte| word << 8 | u64::from(*byte));
    let found = marks(word);
    (found.trailing_zeros() as usize / 8).min(rest.len())
}

#[cfg(test)]
mod tests;
