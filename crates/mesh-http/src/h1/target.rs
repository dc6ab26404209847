//! The four forms of a request target (RFC 9112 3.2), and what an authority may look like
//! (RFC 9110 4.2, RFC 3986 3.2).

use std::net::Ipv6Addr;

use super::malformed;
use crate::fields::bytes::{is_name_word, len_before};
use crate::{Fault, Scheme};

/// A request target, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target<'t> {
    /// As the absolute form says.
    pub(super) scheme: Scheme,
    /// If the target has one, it stands in place of `host` (RFC 9112 3.2.2).
    pub(super) authority: Option<&'t str>,
    /// What goes before the path to make it one.
    pub(super) slash: bool,
    /// Path and query.
    pub(super) path: &'t str,
}

/// Takes a target of visible ASCII characters apart.
pub(super) fn parse<'t>(method: &[u8], target: &'t [u8]) -> Result<Target<'t>, Fault> {
    let no_form = malformed("RFC 9112 3.2: the request target has no form that its method allows");
    let target = std::str::from_utf8(target).map_err(|_| no_form)?;
    if method == b"CONNECT" {
        return authority_form(target);
    }
    let origin = |path| Target {
        scheme: Scheme::Http,
        authority: None,
        slash: false,
        path,
    };
    match target {
        path if path.starts_with('/') => Ok(origin(path)),
        "*" if method == b"OPTIONS" => Ok(origin("*")),
        uri => absolute_form(method, uri).ok_or(no_form)?,
    }
}

/// RFC 9112 3.2.3: host and port, for CONNECT only.
fn authority_form(target: &str) -> Result<Target<'_>, Fault> {
    match Authority::parse(target.as_bytes()) {
        Some(Authority { has_port: true }) => Ok(Target {
            scheme: Scheme::Http,
            authority: Some(target),
            slash: false,
            path: "/",
        }),
        Some(_) | None => Err(malformed(
            "RFC 9112 3.2.3: the target of CONNECT is not host and port",
        )),
    }
}

/// RFC 9112 3.2.2; `None`: not a URI that begins with `http://` or `https://`.
fn absolute_form<'t>(method: &[u8], uri: &'t str) -> Option<Result<Target<'t>, Fault>> {
    let (scheme, rest) = uri.split_once("://")?;
    let scheme = match scheme {
        text if text.eq_ignore_ascii_case("http") => Scheme::Http,
        text if text.eq_ignore_ascii_case("https") => Scheme::Https,
        _ => return None,
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end)?;
    if Authority::parse(authority.as_bytes()).is_none() {
        return Some(Err(malformed(
            "RFC 9110 4.2: the authority of the target is not a host with a port",
        )));
    }
    let (slash, path) = match path {
        // RFC 9112 3.2.4: this is how a proxy is asked for `*`.
        "" if method == b"OPTIONS" => (false, "*"),
        "" => (false, "/"),
        path => (!path.starts_with('/'), path),
    };
    Some(Ok(Target {
        scheme,
        authority: Some(authority),
        slash,
        path,
    }))
}

/// A host, perhaps with a port, without user information.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Authority {
    /// Whether there is a port that has digits.
    pub(crate) has_port: bool,
}

impl Authority {
    /// Checks a host and perhaps a port (RFC 3986 3.2.2 and 3.2.3); `None`: it is none.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let host = match text {
            [b'[', ..] => text.iter().position(|b| *b == b']')? + 1,
            _ => len_before(text, b':'),
        };
        let (host, port) = text.split_at_checked(host)?;
        if !is_host(host) {
            return None;
        }
        let has_port = match port {
            [] | [b':'] => false,
            [b':', digits @ ..] if is_port(digits) => true,
            _ => return None,
        };
        Some(Self { has_port })
    }
}

fn is_port(digits: &[u8]) -> bool {
    let add = |sum: u32, digit: &u8| sum * 10 + u32::from(digit.wrapping_sub(b'0'));
    let all_digits = digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit);
    all_digits && digits.iter().fold(0, add) <= u32::from(u16::MAX)
}

fn is_host(host: &[u8]) -> bool {
    match host {
        [] => false,
        [b'[', address @ .., b']'] => {
            let address = std::str::from_utf8(address).ok();
            address.is_some_and(|text| text.parse::<Ipv6Addr>().is_ok())
        }
        name => is_name(name),
    }
}

/// RFC 3986 3.2.2: letters, digits, some signs, and escapes of two digits.
fn is_name(name: &[u8]) -> bool {
    let (words, rest) = name.as_chunks::<8>();
    let are_plain = words.iter().all(is_name_word) && rest.iter().all(|byte| is_plain(*byte));
    are_plain || is_escaped_name(name)
}

#[cold]
fn is_escaped_name(mut name: &[u8]) -> bool {
    loop {
        let plain = name.iter().position(|byte| !is_plain(*byte));
        let (_, rest) = name
            .split_at_checked(plain.unwrap_or(name.len()))
            .unwrap_or_default();
        name = match rest {
            [] => return true,
            [b'%', high, low, rest @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                rest
            }
            _ => return false,
        }
    }
}

fn is_plain(byte: u8) -> bool {
    #[expect(clippy::indexing_slicing, reason = "a byte is less than 256")]
    PLAIN[usize::from(byte)]
}

const PLAIN: [bool; 256] = plain();

const fn plain() -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        #[expect(clippy::indexing_slicing, reason = "the byte is less than 128")]
        {
            table[byte as usize] = byte.is_ascii_alphanumeric() || is_sign(byte);
        }
        byte += 1;
    }
    table
}

/// Unreserved characters and delimiters that are neither letters nor digits.
const fn is_sign(byte: u8) -> bool {
    matches!(
        byte,
        b'-' | b'.'
            | b'_'
            | b'~'
            | b'!'
            | b'$'
            | b'&'
            | b'\''
            | b'('
            | b')'
            | b'*'
            | b'+'
            | b','
            | b';'
            | b'='
    )
}

#[cfg(test)]
mod tests;
