//! Kubernetes' quantities, as far as the sidecar's resources need them.

/// Thousandths of a processor that a quantity says; nothing when it is none.
pub(crate) fn millicores(text: &str) -> Option<u64> {
    let (number, factor) = match text.strip_suffix('m') {
        Some(number) => (number, 1.0),
        None => (text, 1_000.0),
    };
    let number: f64 = is_decimal(number).then(|| number.parse().ok())??;
    let milli = (number * factor).ceil();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "is_decimal() lets no sign pass, and the bound is looked at"
    )]
    (milli <= 1e9).then_some(milli as u64)
}

/// Whether a text is a quantity: a number with one of Kubernetes' suffixes.
pub(crate) fn is_quantity(text: &str) -> bool {
    const SUFFIXES: [&str; 13] = [
        "Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "m", "k", "M", "G", "T", "P", "E",
    ];
    let number = SUFFIXES
        .iter()
        .find_map(|suffix| text.strip_suffix(suffix))
        .unwrap_or(text);
    is_decimal(number)
}

fn is_decimal(text: &str) -> bool {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    !(whole.is_empty() && part.is_empty()) && digits(whole) && digits(part)
}
