//! Strings in the Huffman code (RFC 7541 5.2).
//!
//! Decoding looks twelve bits ahead, which are one or two symbols of ordinary text; rarer symbols
//! are found by the length of their code. A symbol costs a bounded number of steps whatever it is.

use super::HpackError;
use super::huffman_table::{CODES, LONG, LONG_SYMBOLS, LONGEST, STEP_BITS, STEPS, Step};

/// Appends what `coded` stands for to `out`.
pub(super) fn decode(coded: &[u8], out: &mut Vec<u8>) -> Result<(), HpackError> {
    let start = out.len();
    // The shortest code has five bits; one octet more, for symbols are written by twos.
    out.resize(start + coded.len() * 8 / 5 + 2, 0);
    let text = out.get_mut(start..).unwrap_or_default();
    let decoded = decode_into(coded, text)?;
    out.truncate(start + decoded);
    Ok(())
}

/// Decodes to the front of `text`, which is long enough for all and one octet more. How many octets
/// there were.
fn decode_into(mut coded: &[u8], text: &mut [u8]) -> Result<usize, HpackError> {
    // The next `count` bits in the highest places, zeros behind them.
    let mut ahead: u64 = 0;
    let mut count: u32 = 0;
    let mut end = 0;
    loop {
        if count < LONGEST {
            if let Some((octets, rest)) = coded.split_first_chunk::<4>() {
                ahead |= u64::from(u32::from_be_bytes(*octets)) << (32 - count);
                count += 32;
                coded = rest;
            } else {
                for octet in std::mem::take(&mut coded) {
                    ahead |= u64::from(*octet) << (56 - count);
                    count += 8;
                }
                if count < LONGEST {
                    break;
                }
            }
        }
        let mut step = next_step(ahead);
        if step.symbols() == 0 {
            step = long_step(ahead).ok_or(HpackError::HuffmanEnd)?;
        }
        end = put(text, end, step.text, step.symbols());
        ahead <<= step.bits;
        count -= u32::from(step.bits);
    }
    decode_end(ahead, count, text, end)
}

/// Decodes the last `count` bits, which end with padding: less than an octet, all ones.
fn decode_end(
    mut ahead: u64,
    mut count: u32,
    text: &mut [u8],
    mut end: usize,
) -> Result<usize, HpackError> {
    // Ones behind the last bit: they are no code by themselves, for the end symbol is longer than
    // what is left.
    ahead |= u64::MAX >> count;
    while count >= 8 || ahead != u64::MAX {
        let mut step = next_step(ahead);
        if step.symbols() == 0 {
            step = long_step(ahead).ok_or(HpackError::HuffmanPadding)?;
        } else if u32::from(step.bits) > count {
            step = step.first();
        }
        count = count
            .checked_sub(u32::from(step.bits))
            .ok_or(HpackError::HuffmanPadding)?;
        end = put(text, end, step.text, step.symbols());
        ahead = ahead << step.bits | !(u64::MAX << step.bits);
    }
    Ok(end)
}

/// What the next bits say if the code is a short one.
#[inline]
fn next_step(ahead: u64) -> Step {
    let next = (ahead >> (u64::BITS - STEP_BITS)) as usize;
    STEPS.get(next).copied().unwrap_or_default()
}

/// What the next bits say if the code is a long one; none if it is the end.
fn long_step(ahead: u64) -> Option<Step> {
    let next = (ahead >> 32) as u32;
    let codes = LONG.iter().rev().find(|codes| codes.first <= next)?;
    let beyond = (next - codes.first) >> (u32::BITS - u32::from(codes.bits));
    let symbol = LONG_SYMBOLS.get(usize::from(codes.symbols_at) + beyond as usize)?;
    let symbol = u8::try_from(*symbol).ok()?;
    Some(Step::long(symbol, codes.bits))
}

/// Writes the first `symbols` of `octets`, one or two, at `end`, and returns the new end.
#[inline]
fn put(text: &mut [u8], end: usize, octets: [u8; 2], symbols: u8) -> usize {
    match text.get_mut(end..end + 2) {
        Some(place) => {
            place.copy_from_slice(&octets);
            end + usize::from(symbols)
        }
        None => end, // There is room: see `decode`.
    }
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

#[cfg(test)]
mod tests;
