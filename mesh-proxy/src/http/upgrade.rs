//! Connections that stop speaking HTTP: which a client asks for. After 101 the flow passes bytes on.
//!
//! Only HTTP/1 carries an upgrade here, on both sides; CONNECT is refused by name.

use mesh_http::{Fields, RequestHead};

/// The protocol that a client asks to change to, in lower case.
#[must_use]
pub fn wanted(head: &RequestHead) -> Option<String> {
    let upgrade = head.fields.get_str("upgrade")?;
    has_token(&head.fields, "connection", "upgrade").then(|| upgrade.trim().to_ascii_lowercase())
}

/// Whether a list header has a token, without regard to case.
#[must_use]
pub fn has_token(fields: &Fields, name: &str, token: &str) -> bool {
    fields.get_all(name).any(|value| {
        value
            .split(|byte| *byte == b',')
            .any(|item| item.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
    })
}
