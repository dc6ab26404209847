//! Paths in the form that routes, policies and applications can agree on.
//!
//! Istio's normalisation `BASE`, and `MERGE_SLASHES` on top of it: percent-encoded unreserved
//! characters are decoded, backslashes become slashes, dot segments are resolved. `%2F` and `%5C`
//! stay, nothing is decoded twice, and queries are left alone.

/// A path that no program can be trusted to read as another does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPath {
    /// `%00`.
    #[error("the path has an encoded zero byte")]
    Zero,
}

/// Brings a path (with its query) into its normal form; `None` when it is in that form already.
///
/// # Errors
/// [`BadPath`].
pub fn normalize(target: &str, merge_slashes: bool) -> Result<Option<String>, BadPath> {
    if !target.starts_with('/') || is_normal(target, merge_slashes) {
        return Ok(None);
    }
    let end = target.find(['?', '#']).unwrap_or(target.len());
    let (path, rest) = target.split_at_checked(end).unwrap_or((target, ""));
    let decoded = decode_unreserved(path)?.replace('\\', "/");
    let mut out = resolve_dots(&decoded);
    if merge_slashes {
        out = merge(&out);
    }
    out.push_str(rest);
    Ok((out != target).then_some(out))
}

/// Whether there is plainly nothing to do up to the query, which is so for almost every request.
fn is_normal(target: &str, merge_slashes: bool) -> bool {
    let mut before = 0;
    for byte in target.bytes() {
        match byte {
            b'?' | b'#' => return true,
            b'%' | b'\\' => return false,
            b'.' if before == b'/' => return false,
            b'/' if before == b'/' && merge_slashes => return false,
            _ => before = byte,
        }
    }
    true
}

fn decode_unreserved(path: &str) -> Result<String, BadPath> {
    let mut out = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let byte = after.get(..2).and_then(hex_byte);
        match byte {
            Some(0) => return Err(BadPath::Zero),
            Some(byte) if is_unreserved(byte) => out.push(char::from(byte)),
            Some(_) => {
                out.push('%');
                rest = after;
                continue;
            }
            // A lone percent sign becomes an escape of itself: left as it is, it could form a new
            // escape with what is decoded after it, and the next hop would decode a second time.
            None => {
                out.push_str("%25");
                rest = after;
                continue;
            }
        }
        rest = after.get(2..).unwrap_or_default();
    }
    out.push_str(rest);
    Ok(out)
}

fn hex_byte(digits: &str) -> Option<u8> {
    let all_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    all_hex
        .then(|| u8::from_str_radix(digits, 16).ok())
        .flatten()
}

/// RFC 3986 2.3
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// RFC 3986 5.2.4; an empty segment counts as one.
fn resolve_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if last {
                    kept.push("");
                }
            }
            other => kept.push(other),
        }
    }
    format!("/{}", kept.join("/"))
}

fn merge(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for c in path.chars() {
        if c != '/' || !out.ends_with('/') {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests;
