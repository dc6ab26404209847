//! Who is signed in, kept in a cookie that the visitor could have written himself: this is a
//! sample, its users prove nothing.

use bytes::Bytes;
use http::Uri;
use http::header::HeaderValue;

const NAME: &str = "session";
/// Longest user name in characters.
const MAX_USER: usize = 64;

/// The user that a Cookie header names.
pub(crate) fn user(cookies: &HeaderValue) -> Option<String> {
    let cookies = cookies.to_str().ok()?;
    let pairs = cookies
        .split(';')
        .filter_map(|pair| pair.trim().split_once('='));
    let value = pairs
        .filter(|(name, _)| *name == NAME)
        .map(|(_, v)| v)
        .next()?;
    let user = decode(value.trim_matches('"').bytes());
    is_name(&user).then_some(user)
}

/// The Set-Cookie header that signs a user in, unless the name is none.
pub(crate) fn cookie_for(user: &str) -> Option<HeaderValue> {
    if !is_name(user) {
        return None;
    }
    let value = encode(user);
    HeaderValue::try_from(format!("{NAME}={value}; Path=/; HttpOnly; SameSite=Lax")).ok()
}

/// The Set-Cookie header that signs out.
pub(crate) fn no_cookie() -> HeaderValue {
    HeaderValue::from_static("session=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax")
}

/// A field of a form, decoded.
pub(crate) fn form_field(body: &Bytes, name: &str) -> Option<String> {
    let fields = body.split(|b| *b == b'&');
    let mut pairs = fields.filter_map(|field| {
        let at = field.iter().position(|b| *b == b'=')?;
        field.split_at_checked(at)
    });
    let (_, value) = pairs.find(|(key, _)| *key == name.as_bytes())?;
    let plus_is_space = |b: &u8| if *b == b'+' { b' ' } else { *b };
    Some(decode(value.iter().skip(1).map(plus_is_space)))
}

/// Path and query of a Referer, so that going back never leaves this site.
pub(crate) fn place_on_this_site(referer: &str) -> Option<HeaderValue> {
    let uri: Uri = referer.parse().ok()?;
    let place = uri.path_and_query()?.as_str();
    // `//host/` would be another site, and so, to some browsers, would `/\host/`.
    let stays = place.starts_with('/') && !place.starts_with("//") && !place.contains('\\');
    HeaderValue::from_str(place).ok().filter(|_| stays)
}

fn is_name(user: &str) -> bool {
    let length = user.chars().count();
    (1..=MAX_USER).contains(&length) && !user.chars().any(char::is_control)
}

fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// Undoes percent-encoding; what is not Unicode then is replaced.
fn decode(mut bytes: impl Iterator<Item = u8>) -> String {
    let mut out = Vec::new();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let digits =
            [bytes.next(), bytes.next()].map(|d| char::from(d.unwrap_or(b'?')).to_digit(16));
        match digits {
            [Some(high), Some(low)] => out.push(u8::try_from(high * 16 + low).unwrap_or(b'?')),
            _ => out.push(b'?'),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests;
