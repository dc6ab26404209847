//! Where an answer sends a probe: on within the pod, or out of it. Pure.
//!
//! The kubelet follows redirects to the same host name, and counts any other as a success.

use std::net::IpAddr;

use http::{HeaderValue, Uri};

use crate::probers::HttpGet;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) https: bool,
    pub(crate) port: u16,
    /// Path and query, with nothing in it that a URI may not have.
    pub(crate) path: String,
    /// The value of Host.
    pub(crate) host: HeaderValue,
    /// The host that was asked first, to which the others are compared.
    name: String,
}

/// Where it goes on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// At the same host.
    Here(Target),
    /// Out of the pod.
    Elsewhere,
}

impl Target {
    pub(crate) fn new(get: &HttpGet, host: &HeaderValue, address: IpAddr) -> Self {
        let path = get.path.split('#').next().unwrap_or_default();
        let slash = if path.starts_with('/') { "" } else { "/" };
        Self {
            https: get.https,
            port: get.port,
            path: encode(&format!("{slash}{path}")),
            host: host.clone(),
            name: address.to_string(),
        }
    }

    /// Where `Location` leads (RFC 3986 5.2).
    pub(crate) fn follow(&self, location: &HeaderValue) -> Next {
        let location = String::from_utf8_lossy(location.as_bytes());
        let location = encode(location.split('#').next().unwrap_or_default());
        let next = if let Some(rest) = location.strip_prefix("//") {
            let scheme = if self.https { "https" } else { "http" };
            self.absolute(&format!("{scheme}://{rest}"))
        } else if has_scheme(&location) {
            self.absolute(&location)
        } else {
            Some(self.relative(&location))
        };
        next.map_or(Next::Elsewhere, Next::Here)
    }

    fn absolute(&self, location: &str) -> Option<Self> {
        let uri: Uri = location.parse().ok()?;
        let https = match uri.scheme_str()? {
            "http" => false,
            "https" => true,
            _ => return None,
        };
        let authority = uri.authority()?;
        if authority.host().trim_matches(['[', ']']) != self.name {
            return None;
        }
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Some(Self {
            https,
            port: authority.port_u16().unwrap_or(if https { 443 } else { 80 }),
            path: if path.starts_with('/') {
                path.to_owned()
            } else {
                format!("/{path}")
            },
            host: HeaderValue::try_from(authority.as_str()).ok()?,
            name: self.name.clone(),
        })
    }

    fn relative(&self, location: &str) -> Self {
        let (base, _) = self.path.split_once('?').unwrap_or((&self.path, ""));
        let path = if location.is_empty() {
            self.path.clone()
        } else if location.starts_with('?') {
            format!("{base}{location}")
        } else if location.starts_with('/') {
            without_dots(location)
        } else {
            let folder = base.rsplit_once('/').map_or("", |(folder, _)| folder);
            without_dots(&format!("{folder}/{location}"))
        };
        Self {
            path,
            ..self.clone()
        }
    }
}

fn has_scheme(location: &str) -> bool {
    let Some((scheme, _)) = location.split_once(':') else {
        return false;
    };
    let rest = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.chars().all(rest)
}

/// Resolves `.` and `..` in a path (RFC 3986 5.2.4).
fn without_dots(path: &str) -> String {
    let (path, query) = match path.split_once('?') {
        Some((path, query)) => (path, format!("?{query}")),
        None => (path, String::new()),
    };
    let mut kept: Vec<&str> = Vec::new();
    for part in path.split('/').skip(1) {
        match part {
            "." => {}
            ".." => drop(kept.pop()),
            part => kept.push(part),
        }
    }
    let is_folder = path.ends_with("/.") || path.ends_with("/..");
    let slash = if is_folder && !kept.is_empty() {
        "/"
    } else {
        ""
    };
    format!("/{}{slash}{query}", kept.join("/"))
}

/// Writes what no URI may hold as `%XX`; what is encoded already stays.
fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests;
