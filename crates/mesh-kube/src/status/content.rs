//! What a status says, and how it is compared and written.

use std::collections::BTreeMap;

use mesh_api::kinds::Kind;
use mesh_model::Str;
use mesh_model::diag::{Diagnostic, Severity};
use mesh_model::name::ResourceKey;
use mesh_source::{ObjectState, Snapshot, State};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::fault::Fault;

/// The condition that says whether an object is in force as it was written last.
const ACCEPTED: &str = "Accepted";
/// Messages that one status holds at most.
const MESSAGES: usize = 20;

/// What is to be said of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Status {
    pub(super) api_version: Str,
    /// The generation of the object that this is about.
    pub(super) generation: u64,
    /// Whether it is in force as written.
    pub(super) accepted: bool,
    /// One word.
    pub(super) reason: &'static str,
    /// The diagnostics: code, level, sentence.
    pub(super) messages: Vec<(String, &'static str, String)>,
}

/// A status with the moment since when it has been so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Written {
    api_version: Str,
    value: Value,
}

/// The statuses of everything that is configured.
pub(super) fn statuses(snapshot: &Snapshot) -> BTreeMap<ResourceKey, Status> {
    let states = snapshot.states.iter();
    states
        .filter(|(_, state)| super::is_ours(state.object.kind))
        .map(|(key, state)| (key.clone(), status(state)))
        .collect()
}

fn status(state: &ObjectState) -> Status {
    let generation = state.object.value.pointer("/metadata/generation");
    let (accepted, reason) = match state.state {
        State::InForce if state.errors().count() > 0 => (true, "InForceWithErrors"),
        State::InForce => (true, "InForce"),
        State::LastGood => (false, "LastGoodVersionInForce"),
        State::SetAside => (false, "SetAside"),
    };
    Status {
        api_version: state.object.api_version.clone(),
        generation: generation.and_then(Value::as_u64).unwrap_or_default(),
        accepted,
        reason,
        messages: state
            .diagnostics
            .iter()
            .take(MESSAGES)
            .map(message)
            .collect(),
    }
}

/// istio: the levels of its analysis messages.
fn message(found: &Diagnostic) -> (String, &'static str, String) {
    let level = match found.severity {
        Severity::Error => "ERROR",
        Severity::Warning => "WARNING",
        Severity::Info => "INFO",
    };
    (found.code.to_owned(), level, found.to_string())
}

impl Written {
    /// The status, which has been so since `now` unless `before` says the same of the object.
    pub(super) fn now(status: Status, before: Option<&Self>, now: String) -> Self {
        let mut value = value_of(&status, &now);
        let condition = "/conditions/0/status";
        let before = before.map(|written| &written.value);
        if let Some(before) =
            before.filter(|old| old.pointer(condition) == value.pointer(condition))
        {
            let since = "/conditions/0/lastTransitionTime";
            if let (Some(old), Some(new)) = (before.pointer(since), value.pointer_mut(since)) {
                *new = old.clone();
            }
        }
        Self {
            api_version: status.api_version,
            value,
        }
    }

    /// Whether it says just this.
    pub(super) fn says(&self, status: &Status) -> bool {
        let since = self.value.pointer("/conditions/0/lastTransitionTime");
        since
            .and_then(Value::as_str)
            .is_some_and(|since| self.value == value_of(status, since))
    }

    pub(super) fn api_version(&self) -> &str {
        &self.api_version
    }
}

fn value_of(status: &Status, since: &str) -> Value {
    let Status {
        generation,
        accepted,
        reason,
        messages,
        ..
    } = status;
    let sentences: Vec<&str> = messages.iter().map(|(_, _, text)| text.as_str()).collect();
    let mut value = json!({
        "observedGeneration": generation,
        "conditions": [{
            "type": ACCEPTED,
            "status": if *accepted { "True" } else { "False" },
            "reason": reason,
            "message": sentences.join("\n"),
            "observedGeneration": generation,
            "lastTransitionTime": since,
        }],
    });
    let told = messages.iter().map(
        |(code, level, text)| json!({"type": {"code": code}, "level": level, "message": text}),
    );
    let told: Vec<Value> = told.collect();
    if let Some(members) = value.as_object_mut().filter(|_| !told.is_empty()) {
        members.insert("validationMessages".to_owned(), Value::Array(told));
    }
    value
}

/// The body of a server-side apply.
pub(super) fn patch(key: &ResourceKey, written: &Written) -> Value {
    json!({
        "apiVersion": written.api_version.as_str(),
        "kind": key.kind.as_str(),
        "metadata": {"name": key.name.as_str(), "namespace": key.namespace.as_str()},
        "status": written.value,
    })
}

#[derive(Deserialize)]
struct Page {
    metadata: ListMeta,
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct ListMeta {
    r#continue: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    #[serde(default)]
    api_version: String,
    metadata: Meta,
    #[serde(default)]
    status: Value,
}

#[derive(Deserialize)]
struct Meta {
    name: String,
    #[serde(default)]
    namespace: String,
}

type Known = Vec<(ResourceKey, Written)>;

/// What the objects of a page say, and the way to the next page.
pub(super) fn page(text: &[u8], kind: &Kind) -> Result<(Known, Option<String>), Fault> {
    let page: Page = serde_json::from_slice(text).map_err(|error| Fault::unreadable(&error))?;
    let known = page.items.into_iter().map(|item| {
        let key = ResourceKey {
            group: kind.group.into(),
            kind: kind.kind.into(),
            namespace: item.metadata.namespace.into(),
            name: item.metadata.name.into(),
        };
        let written = Written {
            api_version: item.api_version.into(),
            value: item.status,
        };
        (key, written)
    });
    let next = page.metadata.r#continue.filter(|token| !token.is_empty());
    Ok((known.collect(), next))
}
