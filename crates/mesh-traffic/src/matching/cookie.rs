//! Cookies of a request against a rule: the first of a name.

use mesh_http::RequestHead;
use mesh_model::Str;

use super::text::TextMatch;

/// What a cookie must be like.
#[derive(Debug, Clone)]
pub(crate) struct CookieMatch {
    pub(crate) name: Str,
    pub(crate) text: TextMatch,
    /// Whether it must not be like that, or not be there.
    pub(crate) invert: bool,
}

impl CookieMatch {
    pub(crate) fn matches(&self, head: &RequestHead) -> bool {
        let value = value_of(head, &self.name);
        value.is_some_and(|value| self.text.matches(value)) != self.invert
    }
}

/// The value of the first cookie of that name, without quotes round it.
pub(crate) fn value_of<'h>(head: &'h RequestHead, name: &str) -> Option<&'h [u8]> {
    let lines = head.fields.get_all("cookie");
    let pairs = lines.flat_map(|line| line.split(|byte| *byte == b';'));
    let mut values = pairs.filter_map(|pair| {
        let value = pair.trim_ascii().strip_prefix(name.as_bytes())?;
        value.strip_prefix(b"=")
    });
    let value = values.next()?;
    let quoted = value
        .strip_prefix(b"\"")
        .and_then(|v| v.strip_suffix(b"\""));
    Some(quoted.unwrap_or(value))
}

#[cfg(test)]
mod tests;
