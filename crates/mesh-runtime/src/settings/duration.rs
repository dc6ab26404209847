//! Durations as people and Go programs write them: `5s`, `1h30m`, `1.5s`, `250ms`.

use std::time::Duration;

/// A text that is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no duration: {why}; write it like 500ms, 5s, 1h30m or 24h")]
pub struct BadDuration {
    text: String,
    why: &'static str,
}

/// Reads a duration: numbers with a unit (`ns`, `us`, `ms`, `s`, `m`, `h`), added up; a bare `0`
/// needs no unit. Negative ones are refused.
///
/// Usable as a clap `value_parser`.
///
/// # Errors
/// [`BadDuration`] with the text and the reason.
pub fn parse_duration(text: &str) -> Result<Duration, BadDuration> {
    let bad = |why| BadDuration {
        text: text.to_owned(),
        why,
    };
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    if text.is_empty() {
        return Err(bad("it is empty"));
    }
    let mut nanos: u128 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let (part, after) = part(rest).map_err(bad)?;
        nanos = nanos
            .checked_add(part)
            .ok_or_else(|| bad("it is too long"))?;
        rest = after;
    }
    let seconds = u64::try_from(nanos / NANOS).map_err(|_| bad("it is too long"))?;
    let below = u32::try_from(nanos % NANOS).map_err(|_| bad("it is too long"))?;
    Ok(Duration::new(seconds, below))
}

/// Nanoseconds of a second.
const NANOS: u128 = 1_000_000_000;

/// Units with their nanoseconds; those that begin like another come first.
const UNITS: [(&str, u128); 7] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("ms", 1_000_000),
    ("s", NANOS),
    ("m", 60 * NANOS),
    ("h", 3600 * NANOS),
];

/// The nanoseconds of the first number with its unit, and what follows.
fn part(text: &str) -> Result<(u128, &str), &'static str> {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .ok_or("a number has no unit")?;
    let (number, after) = text.split_at_checked(end).ok_or("a number has no unit")?;
    let (unit, rest) = UNITS
        .iter()
        .find_map(|(name, nanos)| Some((*nanos, after.strip_prefix(name)?)))
        .ok_or("a unit is unknown")?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return Err("a unit has no number");
    }
    let nanos = digits(whole)?.checked_mul(unit).ok_or("it is too long")?;
    Ok((nanos + scaled(fraction, unit)?, rest))
}

fn digits(text: &str) -> Result<u128, &'static str> {
    match text {
        "" => Ok(0),
        // Longer numbers overflow anyway; this keeps the arithmetic below within bounds.
        text if text.len() > 18 => Err("it is too long"),
        text => text.parse().map_err(|_| "a number is damaged"),
    }
}

/// `fraction` read as decimals of `unit`; what is finer than a nanosecond is cut.
fn scaled(fraction: &str, unit: u128) -> Result<u128, &'static str> {
    let value = digits(fraction)?;
    let scale = fraction.bytes().fold(1_u128, |scale, _| scale * 10);
    Ok(value * unit / scale)
}

#[cfg(test)]
mod tests;
