//! Durations as Istio writes them (`1m30s`), in the form that our processes read (`90s`).

/// The same duration with one unit; nothing when the text is none.
pub(crate) fn with_one_unit(text: &str) -> Option<String> {
    let milliseconds = milliseconds(text)?;
    Some(if milliseconds % 1_000 == 0 {
        format!("{}s", milliseconds / 1_000)
    } else {
        format!("{milliseconds}ms")
    })
}

fn milliseconds(text: &str) -> Option<u64> {
    let (mut rest, mut sum) = (text, 0_u64);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, tail) = rest.split_at_checked(digits)?;
        let (unit, tail) = tail.split_at_checked(
            tail.find(|c: char| c.is_ascii_digit())
                .unwrap_or(tail.len()),
        )?;
        let factor = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return None,
        };
        sum = sum.checked_add(number.parse::<u64>().ok()?.checked_mul(factor)?)?;
        rest = tail;
    }
    (!text.is_empty()).then_some(sum)
}
