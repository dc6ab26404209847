//! Reading of the odd corners of proto-JSON into our types.

use std::collections::BTreeMap;
use std::time::Duration;

use mesh_model::labels::Labels;
use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// Labels from a map of strings.
pub(crate) fn labels<'de, D: Deserializer<'de>>(from: D) -> Result<Labels, D::Error> {
    Ok(BTreeMap::<String, String>::deserialize(from)?
        .into_iter()
        .collect())
}

/// A duration from text such as `1.5s`.
pub(crate) fn duration<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(from)?;
    match parse_duration(&text) {
        Some(duration) => Ok(Some(duration)),
        None => Err(Error::custom(format!("{text:?} is not a duration"))),
    }
}

/// A number from 0 to 100 as millionths.
pub(crate) fn percent<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    let number = f64::deserialize(from)?;
    // The schema has looked at the range; what is cut off is less than a millionth.
    Ok((number.clamp(0.0, 100.0) * 10_000.0).round() as u32)
}

/// The same, where it was written.
pub(crate) fn optional_percent<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<u32>, D::Error> {
    percent(from).map(Some)
}

/// A number from 1 to 1000 as thousandths, where it was written.
pub(crate) fn optional_factor<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u32>, D::Error> {
    let number = f64::deserialize(from)?;
    Ok(Some((number.clamp(1.0, 1000.0) * 1000.0).round() as u32))
}

/// Reads `1.5s`, `100ms`, `1h30m`: numbers with the units h, m, s, ms, us and ns, in a row.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at_checked(digits)?;
        let unit = after
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(unit)?;
        total = total.checked_add(scaled(number, nanoseconds_of(unit)?)?)?;
        rest = after;
    }
    Some(total)
}

fn nanoseconds_of(unit: &str) -> Option<u64> {
    Some(match unit {
        "h" => 3_600_000_000_000,
        "m" => 60_000_000_000,
        "s" => 1_000_000_000,
        "ms" => 1_000_000,
        "us" | "µs" => 1_000,
        "ns" => 1,
        _ => return None,
    })
}

/// Exact arithmetic: a float would turn 0.3s into 299.999999ms.
fn scaled(number: &str, unit: u64) -> Option<Duration> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let whole = if whole.is_empty() {
        0
    } else {
        whole.parse::<u64>().ok()?
    };
    let mut nanoseconds = whole.checked_mul(unit)?;
    let mut place = unit;
    for digit in fraction.bytes() {
        place /= 10;
        let digit = u64::from(digit.checked_sub(b'0').filter(|digit| *digit <= 9)?);
        nanoseconds = nanoseconds.checked_add(place.checked_mul(digit)?)?;
    }
    Some(Duration::from_nanos(nanoseconds))
}

#[cfg(test)]
mod tests;
