//! Moments as a format of `strftime` asks for them, in UTC, with Envoy's fractions of a second.
//!
//! A format is read once; printing into a buffer takes nothing from the heap.

use std::time::{SystemTime, UNIX_EPOCH};

use super::civil_date;

/// A format that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeFormat(Vec<Part>);

/// A conversion that is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("%{0} is no conversion that is supported")]
pub struct BadConversion(pub String);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(Box<str>),
    /// So many digits of a number, filled up with a byte.
    Number(Number, usize, u8),
    /// The seconds since 1970.
    Epoch,
    /// So many digits of the fraction of the second.
    Fraction(u32),
    Month {
        short: bool,
    },
    Weekday {
        short: bool,
    },
    HalfOfDay,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Number {
    Year,
    YearOfCentury,
    Month,
    Day,
    DayOfYear,
    Hour,
    HourOfHalf,
    Minute,
    Second,
}

/// What the parts are printed from.
struct Moment {
    since: std::time::Duration,
    days: u64,
    year: u64,
    month: u64,
    day: u64,
}

/// istio: what `%START_TIME%` is without a format of its own, as in Envoy.
const DEFAULT: &str = "%Y-%m-%dT%H:%M:%S.%3fZ";
/// Digits of a fraction of a second where none are named: nanoseconds.
const ALL_DIGITS: u32 = 9;
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
/// 1970-01-01 was a Thursday.
const WEEKDAYS: [&str; 7] = [
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
];

impl Default for TimeFormat {
    fn default() -> Self {
        Self::parse(DEFAULT).unwrap_or(Self(Vec::new()))
    }
}

impl TimeFormat {
    /// Reads a format.
    ///
    /// # Errors
    /// [`BadConversion`] with the first conversion that is not supported.
    pub fn parse(text: &str) -> Result<Self, BadConversion> {
        let mut format = Self(Vec::new());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('%') {
            format.text(before);
            rest = format.conversion(after)?;
        }
        format.text(rest);
        Ok(format)
    }

    fn text(&mut self, text: &str) {
        if !text.is_empty() {
            self.0.push(Part::Text(text.into()));
        }
    }

    /// Reads a conversion; the rest of the text is returned.
    fn conversion<'t>(&mut self, text: &'t str) -> Result<&'t str, BadConversion> {
        let bad = |end: usize| BadConversion(text.chars().take(end).collect());
        let mut chars = text.chars();
        let letter = chars.next().ok_or_else(|| bad(0))?;
        let pad = |number, digits| Part::Number(number, digits, b'0');
        let of = |format: &str| Self::parse(format).map(|format| format.0);
        let parts = match letter {
            'Y' => vec![pad(Number::Year, 4)],
            'y' => vec![pad(Number::YearOfCentury, 2)],
            'm' => vec![pad(Number::Month, 2)],
            'd' => vec![pad(Number::Day, 2)],
            'e' => vec![Part::Number(Number::Day, 2, b' ')],
            'j' => vec![pad(Number::DayOfYear, 3)],
            'H' => vec![pad(Number::Hour, 2)],
            'I' => vec![pad(Number::HourOfHalf, 2)],
            'M' => vec![pad(Number::Minute, 2)],
            'S' => vec![pad(Number::Second, 2)],
            's' => vec![Part::Epoch],
            'p' => vec![Part::HalfOfDay],
            'b' | 'h' => vec![Part::Month { short: true }],
            'B' => vec![Part::Month { short: false }],
            'a' => vec![Part::Weekday { short: true }],
            'A' => vec![Part::Weekday { short: false }],
            'F' => of("%Y-%m-%d")?,
            'T' => of("%H:%M:%S")?,
            'R' => of("%H:%M")?,
            'D' => of("%m/%d/%y")?,
            'z' => vec![Part::Text("+0000".into())],
            'Z' => vec![Part::Text("UTC".into())],
            'n' => vec![Part::Text("\n".into())],
            't' => vec![Part::Text("\t".into())],
            '%' => vec![Part::Text("%".into())],
            'f' => vec![Part::Fraction(ALL_DIGITS)],
            '1'..='9' if chars.next() == Some('f') => {
                vec![Part::Fraction(letter.to_digit(10).unwrap_or(ALL_DIGITS))]
            }
            '1'..='9' => return Err(bad(2)),
            _ => return Err(bad(1)),
        };
        self.0.extend(parts);
        Ok(chars.as_str())
    }

    /// Prints a moment; one before 1970 counts as its beginning.
    pub fn write(&self, at: SystemTime, out: &mut Vec<u8>) {
        let moment = Moment::of(at);
        for part in &self.0 {
            moment.write(part, out);
        }
    }
}

impl Moment {
    fn of(at: SystemTime) -> Self {
        let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let days = since.as_secs() / 86_400;
        let (year, month, day) = civil_date(days);
        Self {
            since,
            days,
            year,
            month,
            day,
        }
    }

    fn write(&self, part: &Part, out: &mut Vec<u8>) {
        let seconds = self.since.as_secs();
        match part {
            Part::Text(text) => out.extend_from_slice(text.as_bytes()),
            Part::Number(number, digits, fill) => {
                write_digits(out, self.number(*number), *digits, *fill);
            }
            Part::Epoch => write_digits(out, seconds, 1, b'0'),
            Part::Fraction(digits) => {
                let nanos = u64::from(self.since.subsec_nanos());
                let cut = 10_u64.pow(ALL_DIGITS.saturating_sub(*digits));
                write_digits(out, nanos / cut, *digits as usize, b'0');
            }
            Part::Month { short } => name(out, &MONTHS, self.month.saturating_sub(1), *short),
            Part::Weekday { short } => name(out, &WEEKDAYS, self.days % 7, *short),
            Part::HalfOfDay => {
                let morning = seconds / 3600 % 24 < 12;
                out.extend_from_slice(if morning { b"AM" } else { b"PM" });
            }
        }
    }

    fn number(&self, number: Number) -> u64 {
        let seconds = self.since.as_secs();
        match number {
            Number::Year => self.year,
            Number::YearOfCentury => self.year % 100,
            Number::Month => self.month,
            Number::Day => self.day,
            Number::DayOfYear => self.day_of_year(),
            Number::Hour => seconds / 3600 % 24,
            Number::HourOfHalf => (seconds / 3600 + 11) % 12 + 1,
            Number::Minute => seconds / 60 % 60,
            Number::Second => seconds % 60,
        }
    }

    fn day_of_year(&self) -> u64 {
        let leap = self.year.is_multiple_of(4)
            && (!self.year.is_multiple_of(100) || self.year.is_multiple_of(400));
        let before = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
        let index = usize::try_from(self.month.saturating_sub(1)).unwrap_or_default();
        let before = before.get(index).copied().unwrap_or_default();
        before + self.day + u64::from(leap && self.month > 2)
    }
}

/// A name of a list, or its first three letters.
fn name(out: &mut Vec<u8>, names: &[&str], index: u64, short: bool) {
    let index = usize::try_from(index).unwrap_or_default();
    let name = names.get(index).copied().unwrap_or_default();
    let name = if short {
        name.get(..3).unwrap_or(name)
    } else {
        name
    };
    out.extend_from_slice(name.as_bytes());
}

/// A number with at least so many digits.
fn write_digits(out: &mut Vec<u8>, number: u64, least: usize, fill: u8) {
    let mut digits = [fill; 20];
    let mut left = number;
    let mut used = 0;
    for place in digits.iter_mut().rev() {
        if left == 0 && used > 0 {
            break;
        }
        *place = b'0' + u8::try_from(left % 10).unwrap_or_default();
        left /= 10;
        used += 1;
    }
    let from = digits.len().saturating_sub(used.max(least));
    out.extend_from_slice(digits.get(from..).unwrap_or_default());
}

#[cfg(test)]
mod tests;
