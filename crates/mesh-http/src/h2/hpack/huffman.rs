//! Strings in the Huffman code (RFC 7541 5.2).
//!
//! Decoding looks twelve bits ahead, which are one or two symbols of ordinary text; rarer symbols
//! are found by the length of their code. A symbol costs a bounded number of steps whatever it is.

use super::HpackError;
use super::huffman_table::{CODES, END, LONG, LONG_SYMBOLS, LONGEST, STEP_BITS, STEPS, Step};

/// Appends what `coded` stands for to `out`.
pub(super) fn decode(coded: &[u8], out: &mut Vec<u8>) -> Result<(), HpackError> {
    let start = out.len();
    // The shortest code has five bits; one octet more, for symbols are written by twos.
    out.resize(start + coded.len() * 8 / 5 + 2, 0);
    let mut text = Text { out, end: start };
    let mut bits = Bits::of(coded);
    let decoded = decode_long_part(&mut bits, &mut text).and_then(|()| decode_end(bits, &mut text));
    let end = text.end;
    out.truncate(end);
    decoded
}

/// Decodes until there may be less than one symbol.
#[inline]
fn decode_long_part(bits: &mut Bits<'_>, text: &mut Text<'_>) -> Result<(), HpackError> {
    while bits.fill() {
        let step = bits.step();
        if step.symbols() > 0 {
            text.push(step.text, step.symbols());
            bits.skip(step.bits);
        } else {
            let (symbol, length) = bits.long_symbol();
            text.push([symbol.ok_or(HpackError::HuffmanEnd)?, 0], 1);
            bits.skip(length);
        }
    }
    Ok(())
}

/// Decodes the last bits, which end with padding: less than an octet, all ones.
fn decode_end(mut bits: Bits<'_>, text: &mut Text<'_>) -> Result<(), HpackError> {
    let mut left = bits.count;
    // Ones behind the last bit: they are no code by themselves, for the end symbol is longer than
    // what is missing to a code.
    bits.ahead |= u64::MAX >> left;
    while left >= 8 || bits.ahead != u64::MAX {
        let step = bits.step();
        let (octets, symbols, length) = if step.symbols() > 0 && u32::from(step.bits) <= left {
            (step.text, step.symbols(), step.bits)
        } else if step.symbols() > 0 {
            (step.text, 1, step.first_bits())
        } else {
            let (symbol, length) = bits.long_symbol();
            ([symbol.unwrap_or_default(), 0], 1, length)
        };
        left = left
            .checked_sub(u32::from(length))
            .ok_or(HpackError::HuffmanPadding)?;
        text.push(octets, symbols);
        bits.ahead = bits.ahead << length | !(u64::MAX << length);
    }
    Ok(())
}

/// How many octets `text` would have.
pub(super) fn coded_len(text: &[u8]) -> usize {
    let bits: usize = text
        .iter()
        .filter_map(|octet| CODES.get(usize::from(*octet)))
        .map(|code| usize::from(code.bits))
        .sum();
    bits.div_ceil(8)
}

/// Appends `text` in the code.
pub(super) fn encode(text: &[u8], out: &mut Vec<u8>) {
    // The lowest `count` bits are still to be written; what is above them was.
    let mut pending: u64 = 0;
    let mut count: u32 = 0;
    for octet in text {
        let Some(code) = CODES.get(usize::from(*octet)) else {
            continue; // There are more codes than octets.
        };
        pending = pending << code.bits | u64::from(code.code);
        count += u32::from(code.bits);
        if count >= 32 {
            count -= 32;
            out.extend_from_slice(&low_32(pending >> count).to_be_bytes());
        }
    }
    // Ones up to the next octet, then whole octets.
    let padding = count.wrapping_neg() % 8;
    pending = pending << padding | !(u64::MAX << padding);
    count += padding;
    while count >= 8 {
        count -= 8;
        out.push(low_8(pending >> count));
    }
}

fn low_32(bits: u64) -> u32 {
    bits as u32
}

fn low_8(bits: u64) -> u8 {
    bits as u8
}

/// Bits to be decoded.
struct Bits<'c> {
    /// The next `count` bits in the highest places, zeros behind them.
    ahead: u64,
    count: u32,
    rest: &'c [u8],
}

impl<'c> Bits<'c> {
    fn of(coded: &'c [u8]) -> Self {
        Self {
            ahead: 0,
            count: 0,
            rest: coded,
        }
    }

    /// Looks further ahead if need be. Whether any symbol is seen wholly now.
    #[inline]
    fn fill(&mut self) -> bool {
        if self.count >= LONGEST {
            return true;
        }
        if let Some((octets, rest)) = self.rest.split_first_chunk::<4>() {
            self.ahead |= u64::from(u32::from_be_bytes(*octets)) << (32 - self.count);
            self.count += 32;
            self.rest = rest;
            return true;
        }
        for octet in std::mem::take(&mut self.rest) {
            self.ahead |= u64::from(*octet) << (56 - self.count);
            self.count += 8;
        }
        self.count >= LONGEST
    }

    #[inline]
    fn skip(&mut self, bits: u8) {
        self.ahead <<= bits;
        self.count -= u32::from(bits);
    }

    /// What the next bits say if the code is a short one.
    #[inline]
    fn step(&self) -> Step {
        let next = (self.ahead >> (u64::BITS - STEP_BITS)) as usize;
        STEPS.get(next).copied().unwrap_or_default()
    }

    /// The symbol of a long code that comes next, none if it is the end; and the code's length.
    #[cold]
    fn long_symbol(&self) -> (Option<u8>, u8) {
        let next = (self.ahead >> 32) as u32;
        let Some(codes) = LONG.iter().rev().find(|codes| codes.first <= next) else {
            return (None, LONGEST as u8); // A short code: not asked for.
        };
        let beyond = (next - codes.first) >> (u32::BITS - u32::from(codes.bits));
        let symbol = LONG_SYMBOLS
            .get(usize::from(codes.symbols_at) + beyond as usize)
            .copied()
            .unwrap_or(END);
        (u8::try_from(symbol).ok(), codes.bits)
    }
}

/// Decoded octets: `out` is long enough for all that may come.
struct Text<'o> {
    out: &'o mut [u8],
    end: usize,
}

impl Text<'_> {
    /// Appends the first `symbols` of `octets`, one or two.
    #[inline]
    fn push(&mut self, octets: [u8; 2], symbols: u8) {
        if let Some(place) = self.out.get_mut(self.end..self.end + 2) {
            place.copy_from_slice(&octets);
            self.end += usize::from(symbols);
        }
    }
}

#[cfg(test)]
mod tests;
