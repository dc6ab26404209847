//! Services that are asked by plain HTTP: with a request that is like the one in question.

use std::time::Duration;

use mesh_http::{Fields, RequestHead, Scheme, Version};
use mesh_model::Str;

use super::change::{Change, Changes, How};
use super::judge::{Answer, Judged, Outcome};
use super::{Body, Known, PARTIAL_BODY, Question, Rules, names};
use crate::matching::text::TextMatch;
use crate::shape::{self, HeaderOp, Put};

/// In which an answer says what is removed from the request.
const TO_REMOVE: &str = "x-envoy-auth-headers-to-remove";
/// What every such service sees.
const AUTHORIZATION: &str = "authorization";
/// What clients see of a refusal, whatever else they see.
const OF_REFUSALS: [&str; 2] = ["location", "www-authenticate"];
/// What an answer has from the way that it came.
const OF_THE_WAY: &str = "x-envoy-upstream-service-time";
/// What belongs to the request in question and not to the one that asks.
const NOT_ASKED: [&str; 6] = [
    "connection",
    "content-length",
    "expect",
    "te",
    "upgrade",
    PARTIAL_BODY,
];

/// A service that is asked by plain HTTP.
#[derive(Debug, PartialEq)]
pub(crate) struct HttpService {
    pub(crate) cluster: Str,
    pub(crate) timeout: Duration,
    pub(crate) path: PathOf,
    /// What is written into the question.
    pub(crate) add: Vec<HeaderOp>,
    /// Fields of the request that the service sees.
    pub(crate) allowed: Vec<TextMatch>,
    /// Fields of an answer that are put into the request.
    pub(crate) to_request: Vec<TextMatch>,
    /// Those that are added to it.
    pub(crate) added_to_request: Vec<TextMatch>,
    /// Those that clients see of a refusal; all where nothing is said.
    pub(crate) to_client: Option<Vec<TextMatch>>,
    /// Those that clients see of the answer to a request that passes.
    pub(crate) to_client_on_success: Vec<TextMatch>,
}

/// The path of a question.
#[derive(Debug, PartialEq)]
pub(crate) enum PathOf {
    /// That of the request, with this before it.
    After(Str),
    /// This.
    Is(Str),
}

pub(super) fn question(
    service: &HttpService,
    rules: &Rules,
    known: &Known<'_>,
    body: Option<Body>,
) -> Question {
    let asked = known.head;
    let path = match &service.path {
        PathOf::After(prefix) => format!("{prefix}{}", asked.path),
        PathOf::Is(path) => path.to_string(),
    };
    let mut head = Box::new(RequestHead {
        version: Version::Http11,
        method: asked.method.clone(),
        scheme: Scheme::Http,
        authority: asked.authority.clone(),
        path,
        fields: fields(service, rules, asked),
        secret_target: asked.secret_target,
    });
    // What the listener writes was checked, and digits can stand in any field.
    shape::change_request(&service.add, &mut head, &known.facts);
    let (bytes, partial) = match body {
        Some(body) => (body.bytes, Some(!body.whole)),
        None => (Vec::new(), None),
    };
    let length = bytes.len().to_string();
    head.fields.set("content-length", length).ok();
    if let Some(partial) = partial {
        head.fields.set(PARTIAL_BODY, partial.to_string()).ok();
    }
    Question::Http { head, body: bytes }
}

fn fields(service: &HttpService, rules: &Rules, asked: &RequestHead) -> Fields {
    let mut fields = Fields::new();
    let wider = rules.allowed.as_deref().unwrap_or_default();
    for (name, value) in asked.fields.iter() {
        let is_seen = name == AUTHORIZATION || names(&service.allowed, name) || names(wider, name);
        if is_seen && !names(&rules.disallowed, name) && !NOT_ASKED.contains(&name) {
            // It stood in a request before.
            fields.append(name, value).ok();
        }
    }
    fields
}

/// What an answer means; nothing where it is none.
pub(super) fn judge(service: &HttpService, answer: Answer<'_>) -> Option<Judged> {
    let head = answer.head;
    match head.status {
        500.. => None,
        200 => Some(passes(service, &head.fields)),
        status => Some(Judged {
            outcome: Outcome::Denied,
            status,
            answer: told(service, &head.fields),
            body: answer.body.to_vec(),
            ..Judged::passing()
        }),
    }
}

fn passes(service: &HttpService, fields: &Fields) -> Judged {
    let mut changes = Changes::default();
    let mut answer = Vec::new();
    for (name, value) in fields.iter().filter(|(name, _)| *name != TO_REMOVE) {
        let put = |how: Put| Change {
            name: name.to_owned(),
            value: value.to_vec(),
            how: How::As(how),
        };
        if names(&service.to_request, name) {
            changes.fields.push(put(Put::Overwrite));
        }
        if names(&service.added_to_request, name) {
            changes.fields.push(put(Put::Append));
        }
        if names(&service.to_client_on_success, name) {
            answer.push(put(Put::Append));
        }
    }
    let removed = fields.get_all(TO_REMOVE).flat_map(|value| {
        let names = value.split(|byte| *byte == b',');
        names.map(|name| String::from_utf8_lossy(name.trim_ascii()).to_ascii_lowercase())
    });
    changes.removed = removed.filter(|name| !name.is_empty()).collect();
    Judged {
        request: changes,
        answer,
        ..Judged::passing()
    }
}

fn told(service: &HttpService, fields: &Fields) -> Vec<Change> {
    let is_told = |name: &str| match &service.to_client {
        _ if name == TO_REMOVE || name == OF_THE_WAY => false,
        Some(list) => names(list, name) || OF_REFUSALS.contains(&name),
        None => true,
    };
    let told = fields.iter().filter(|(name, _)| is_told(name));
    told.map(|(name, value)| Change {
        name: name.to_owned(),
        value: value.to_vec(),
        how: How::As(Put::Append),
    })
    .collect()
}

#[cfg(test)]
mod tests;
