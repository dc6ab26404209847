//! Readers of what the codecs write, strict and simple: one form of each thing, everything else is
//! an error. They are the oracle, so they share no code with what they judge.

pub(crate) mod h1;
pub(crate) mod h2;

/// Field names in lower case, and values.
pub(crate) type List = Vec<(Vec<u8>, Vec<u8>)>;

/// What is wrong.
pub(crate) type Wrong = &'static str;

/// A name of a method or field (RFC 9110 5.6.2).
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    let is_one = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !bytes.is_empty() && bytes.iter().all(is_one)
}

/// A field value (RFC 9110 5.5), without white space round it.
pub(crate) fn is_value(bytes: &[u8]) -> bool {
    let is_one = |byte: &u8| *byte == b'\t' || (*byte >= 0x20 && *byte != 0x7f);
    let is_space = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    bytes.iter().all(is_one) && !is_space(bytes.first()) && !is_space(bytes.last())
}

/// A length in its one form.
pub(crate) fn length(bytes: &[u8]) -> Result<u64, Wrong> {
    let text = std::str::from_utf8(bytes).map_err(|_| "content-length is no number")?;
    let number: u64 = text.parse().map_err(|_| "content-length is no number")?;
    if number.to_string() == text {
        Ok(number)
    } else {
        Err("content-length is not in its plainest form")
    }
}

/// The one field of that name, if there is one.
pub(crate) fn only<'l>(list: &'l List, name: &[u8]) -> Result<Option<&'l [u8]>, Wrong> {
    let mut found = list.iter().filter(|(own, _)| own == name);
    match (found.next(), found.next()) {
        (None, _) => Ok(None),
        (Some((_, value)), None) => Ok(Some(value)),
        (Some(_), Some(_)) => Err("a field that stands once stands twice"),
    }
}
