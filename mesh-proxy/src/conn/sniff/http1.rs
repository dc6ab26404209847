//! Whether plain bytes begin with a request of HTTP/1.
//!
//! Asked only where the answer decides who gets the connection. A port that speaks HTTP for sure is
//! not asked: there the codec says what is wrong with a request.

/// The methods by which HTTP is known: the registered ones that are in use.
const METHODS: [&[u8]; 24] = [
    b"GET",
    b"HEAD",
    b"POST",
    b"PUT",
    b"DELETE",
    b"CONNECT",
    b"OPTIONS",
    b"TRACE",
    b"PATCH",
    b"PROPFIND",
    b"PROPPATCH",
    b"MKCOL",
    b"COPY",
    b"MOVE",
    b"LOCK",
    b"UNLOCK",
    b"SEARCH",
    b"REPORT",
    b"PURGE",
    b"MKCALENDAR",
    b"ACL",
    b"BIND",
    b"LINK",
    b"QUERY",
];
/// A longer request line is taken for one without having been seen to its end.
const LINE: usize = 8 * 1024;

/// Whether this is the beginning of a request line (RFC 9112 3); `None` asks for more bytes.
pub(super) fn begins(seen: &[u8]) -> Option<bool> {
    let Some(space) = seen.iter().position(|byte| *byte == b' ') else {
        let possible = METHODS.iter().any(|method| method.starts_with(seen));
        return if possible { None } else { Some(false) };
    };
    let (method, rest) = seen.split_at_checked(space)?;
    if !METHODS.contains(&method) {
        return Some(false);
    }
    let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
        return (seen.len() > LINE).then_some(true);
    };
    let line = rest.get(..end).unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    Some(line.ends_with(b" HTTP/1.1") || line.ends_with(b" HTTP/1.0"))
}
