//! Method, authority and path: what a request is for.

use mesh_http::RequestHead;
use mesh_traffic::listener::HttpManager;

use crate::http::connection::Connection;
use crate::http::failure::{Failure, FailureKind};

/// Refuses a target that two programs may read differently.
pub(super) fn check(head: &RequestHead, hosts: usize) -> Result<(), Failure> {
    if head.version == mesh_http::Version::Http10 {
        // istio: HTTP/1.0 is answered with 426 unless it is switched on.
        return Err(FailureKind::Http10.into());
    }
    let fault = if hosts > 1 {
        "the request has more than one host header"
    } else if head.authority.is_empty() {
        "the request has no host"
    } else if !is_authority(&head.authority) {
        "the host has a character that no host has"
    } else if head.method.bytes().any(|byte| byte.is_ascii_lowercase()) {
        "methods are written in capitals"
    } else if !is_path(head) {
        "the path does not begin with a slash"
    } else if may_have_nul(&head.path) && has_nul(&head.path) {
        "the path has a zero byte"
    } else {
        return Ok(());
    };
    Err(Failure::new(FailureKind::BadRequest).caused_by(fault))
}

/// Bytes of `uri-host [ ":" port ]` (RFC 3986 3.2.2): no user information, nothing of a path.
fn is_authority(text: &str) -> bool {
    #[expect(clippy::indexing_slicing, reason = "a byte is less than 256")]
    text.bytes().all(|byte| AUTHORITY[usize::from(byte)])
}

const AUTHORITY: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        #[expect(clippy::indexing_slicing, reason = "the byte is less than 128")]
        {
            table[byte as usize] = byte.is_ascii_alphanumeric();
        }
        byte += 1;
    }
    let mut signs: &[u8] = b"-._~%!$&'()*+,;=:[]";
    while let [sign, more @ ..] = signs {
        #[expect(clippy::indexing_slicing, reason = "the sign is less than 128")]
        {
            table[*sign as usize] = true;
        }
        signs = more;
    }
    table
};

fn is_path(head: &RequestHead) -> bool {
    head.path.starts_with('/')
        || (head.path == "*" && head.method == "OPTIONS")
        || head.method == "CONNECT"
}

fn may_have_nul(path: &str) -> bool {
    path.bytes().any(|byte| matches!(byte, 0 | b'%'))
}

fn has_nul(path: &str) -> bool {
    path.contains("%00") || path.bytes().any(|byte| byte == 0)
}

/// Brings the path into the form that routes, policies and the application all see.
pub(super) fn normalize(head: &mut RequestHead, manager: &HttpManager) -> Result<(), Failure> {
    if let Some(at) = head.path.bytes().position(|byte| byte == b'#') {
        head.path.truncate(at);
    }
    if !manager.normalize_path && !manager.merge_slashes {
        return Ok(());
    }
    let normalized = mesh_http::path::normalize(&head.path, manager.merge_slashes)
        .map_err(|e| Failure::new(FailureKind::BadRequest).caused_by(e))?;
    if let Some(path) = normalized {
        head.path = path;
    }
    Ok(())
}

/// Puts the service's name in place of the listener's own address.
///
/// The address stands for one service in the local mesh, and routes are written with names.
pub(super) fn name_own_address(head: &mut RequestHead, connection: &Connection, name: &str) {
    let own = connection.local;
    let first = head.authority.bytes().next().unwrap_or_default();
    if !matches!(first, b'[' | b':') && !first.is_ascii_hexdigit() {
        // Most are names, and no address begins like this one.
        return;
    }
    let host = mesh_http::host_of(&head.authority);
    let port = head.authority.get(host.len() + 1..);
    let same_host =
        host.parse() == Ok(own.ip()) || host.trim_matches(['[', ']']).parse() == Ok(own.ip());
    let same_port = port.is_none_or(|port| port.parse() == Ok(own.port()));
    if same_host && same_port {
        name.clone_into(&mut head.authority);
    }
}
