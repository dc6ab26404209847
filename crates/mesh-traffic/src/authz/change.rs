//! What a service changes in a request or in its answer.

use mesh_http::{Fields, RequestHead, ResponseHead};

use crate::shape::Put;

/// What belongs to a message or a connection, and is no service's to set.
const NOT_THEIRS: [&str; 9] = [
    "connection",
    "content-length",
    "expect",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// One field that is put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    /// In lower case.
    pub(super) name: String,
    pub(super) value: Vec<u8>,
    pub(super) how: How,
}

/// How a field is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// As others are put.
    As(Put),
    /// Joined to the value that is there; Envoy adds nothing where there is none.
    Joined,
}

/// What is changed in a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Changes {
    pub(super) fields: Vec<Change>,
    pub(super) removed: Vec<String>,
    pub(super) parameters: Vec<(String, String)>,
    pub(super) removed_parameters: Vec<String>,
}

impl Change {
    /// Whether it can be done.
    pub(super) fn is_valid(&self) -> bool {
        match self.name.as_str() {
            ":path" => is_path(&self.value),
            ":authority" | "host" => is_authority(&self.value),
            ":method" => is_method(&self.value),
            name => Fields::new().append(name, &self.value).is_ok(),
        }
    }

    fn apply(&self, fields: &mut Fields) {
        if NOT_THEIRS.contains(&self.name.as_str()) {
            return;
        }
        let is_there = fields.contains(&self.name);
        // What cannot stand in a field is left out.
        match (self.how, is_there) {
            (How::As(Put::Append), _) => fields.append(&self.name, &self.value).ok(),
            (How::As(Put::IfAbsent), true)
            | (How::As(Put::OverwriteIfExists) | How::Joined, false) => None,
            (How::As(Put::IfAbsent), false)
            | (How::As(Put::Overwrite | Put::OverwriteIfExists), _) => {
                fields.set(&self.name, &self.value).ok()
            }
            (How::Joined, true) => {
                let mut all: Vec<_> = fields.get_all(&self.name).collect();
                all.push(&self.value);
                let joined = all.join(&b',');
                fields.set(&self.name, joined).ok()
            }
        };
    }

    fn apply_to_request(&self, head: &mut RequestHead) {
        let target = match self.name.as_str() {
            ":path" => &mut head.path,
            ":authority" | "host" => &mut head.authority,
            ":method" => &mut head.method,
            _ => return self.apply(&mut head.fields),
        };
        let stays = !matches!(self.how, How::As(Put::Overwrite | Put::OverwriteIfExists));
        if let (Ok(value), true, false) = (std::str::from_utf8(&self.value), self.is_valid(), stays)
        {
            value.clone_into(target);
        }
    }
}

impl Changes {
    pub(super) fn is_empty(&self) -> bool {
        let Self {
            fields,
            removed,
            parameters,
            removed_parameters,
        } = self;
        fields.is_empty()
            && removed.is_empty()
            && parameters.is_empty()
            && removed_parameters.is_empty()
    }

    /// Whether all of it can be done; what is removed need not be there.
    pub(super) fn is_valid(&self) -> bool {
        let mut parameters = self.parameters.iter();
        self.fields.iter().all(Change::is_valid)
            && parameters.all(|(key, value)| is_parameter(key) && is_parameter(value))
    }

    pub(super) fn apply(&self, head: &mut RequestHead) {
        for change in &self.fields {
            change.apply_to_request(head);
        }
        for name in &self.removed {
            // Without these it would be no request; `host` is not among the fields.
            if !name.starts_with(':') && !NOT_THEIRS.contains(&name.as_str()) {
                head.fields.remove(name);
            }
        }
        if !self.parameters.is_empty() || !self.removed_parameters.is_empty() {
            head.path = self.with_parameters(&head.path);
        }
    }

    fn with_parameters(&self, path: &str) -> String {
        let end = path.find('#').unwrap_or(path.len());
        let (target, fragment) = path.split_at_checked(end).unwrap_or((path, ""));
        let (before, query) = target.split_once('?').unwrap_or((target, ""));
        let valid = self.parameters.iter();
        let set: Vec<_> = valid
            .filter(|(key, value)| is_parameter(key) && is_parameter(value))
            .collect();
        let stays = |pair: &&str| {
            let key = pair.split_once('=').map_or(*pair, |(key, _)| key);
            let is_set = set.iter().any(|(other, _)| other == key);
            !pair.is_empty() && !is_set && !self.removes(key)
        };
        let mut pairs: Vec<String> = query.split('&').filter(stays).map(str::to_owned).collect();
        let added = set.iter().filter(|(key, _)| !self.removes(key));
        pairs.extend(added.map(|(key, value)| format!("{key}={value}")));
        match pairs.is_empty() {
            true => format!("{before}{fragment}"),
            false => format!("{before}?{}{fragment}", pairs.join("&")),
        }
    }

    fn removes(&self, key: &str) -> bool {
        self.removed_parameters.iter().any(|other| other == key)
    }
}

/// Puts fields into an answer of the upstream.
pub(super) fn add(changes: &[Change], head: &mut ResponseHead) {
    for change in changes.iter().filter(|change| !is_pseudo(change)) {
        change.apply(&mut head.fields);
    }
}

/// Puts fields into an answer of ours: each takes the place of what stands there, and of several of one name all stay.
pub(super) fn answer(changes: &[Change], head: &mut ResponseHead, skipped: Option<&str>) {
    let wanted = |change: &&Change| {
        let name = change.name.as_str();
        !is_pseudo(change) && !NOT_THEIRS.contains(&name) && skipped != Some(name)
    };
    for change in changes.iter().filter(wanted).filter(|it| it.is_valid()) {
        head.fields.remove(&change.name);
    }
    for change in changes.iter().filter(wanted) {
        // What cannot stand in a field is left out.
        head.fields.append(&change.name, &change.value).ok();
    }
}

fn is_pseudo(change: &Change) -> bool {
    change.name.starts_with(':') || change.name == "host"
}

fn is_path(value: &[u8]) -> bool {
    value.first() == Some(&b'/') && value.iter().all(u8::is_ascii_graphic)
}

fn is_authority(value: &[u8]) -> bool {
    let stands = |byte: &u8| byte.is_ascii_graphic() && !b"/?#@\\".contains(byte);
    !value.is_empty() && value.iter().all(stands)
}

fn is_method(value: &[u8]) -> bool {
    // Methods and names of fields are both tokens (RFC 9110 9.1).
    std::str::from_utf8(value).is_ok_and(|text| Fields::new().append(text, "").is_ok())
}

/// Whether a text can be a key or a value of a query (RFC 3986 3.4), and nothing more than that.
fn is_parameter(text: &str) -> bool {
    let stands =
        |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%!$'()*+,;:@/?=[]".contains(&byte);
    text.bytes().all(stands)
}

#[cfg(test)]
mod tests;
