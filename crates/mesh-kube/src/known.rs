//! What was told of the objects of one kind, so that only differences are told.

use std::collections::BTreeMap;
use std::sync::Arc;

use mesh_api::{Object, decode};
use mesh_model::Str;
use mesh_model::diag::Diagnostic;
use mesh_model::name::ResourceKey;
use mesh_source::Event;
use serde_json::Value;

use crate::watched::Watched;

/// Where every object of a cluster comes from, as messages say it.
pub(crate) const ORIGIN: &str = "Kubernetes";

/// The objects of a kind that were told, shared with the store.
#[derive(Debug)]
pub(crate) struct Known {
    watched: Watched,
    origin: Str,
    entries: BTreeMap<ResourceKey, Entry>,
    /// The number of the list that runs or ran last.
    round: u64,
}

#[derive(Debug, Default)]
struct Entry {
    /// What is in force as far as others know.
    told: Option<Arc<Object>>,
    /// What was said of it because it cannot be read as it is now.
    broken: Vec<Diagnostic>,
    /// The list that it was seen in last.
    round: u64,
}

impl Known {
    pub(crate) fn new(watched: Watched) -> Self {
        Self {
            watched,
            origin: ORIGIN.into(),
            entries: BTreeMap::new(),
            round: 0,
        }
    }

    /// The first page of a list is about to be taken in.
    pub(crate) const fn begin(&mut self) {
        self.round += 1;
    }

    /// Takes in an object that is there.
    pub(crate) fn applied(&mut self, mut value: Value, version: &str, events: &mut Vec<Event>) {
        self.watched.complete(&mut value, version);
        if self.watched.is_over(&value) {
            return self.deleted(&value, events);
        }
        let Some(key) = self.key_of(&value) else {
            return tracing::warn!(kind = self.watched.kind.kind, "an object has no name");
        };
        let (object, diagnostics) = decode::object(value, &self.origin);
        let round = self.round;
        let entry = self.entries.entry(key.clone()).or_default();
        entry.round = round;
        match object {
            Some(object) => entry.upsert(&key, object, events),
            None => entry.break_with(&key, diagnostics, events),
        }
    }

    /// Takes in an object that is gone.
    pub(crate) fn deleted(&mut self, value: &Value, events: &mut Vec<Event>) {
        let gone = self.key_of(value);
        if let Some((key, entry)) = gone.and_then(|key| self.entries.remove_entry(&key)) {
            entry.leave(key, events);
        }
    }

    /// The list is complete: what it did not hold is gone.
    pub(crate) fn finish(&mut self, events: &mut Vec<Event>) {
        let round = self.round;
        self.drop_where(events, |entry| entry.round != round);
    }

    /// The kind itself is gone.
    pub(crate) fn vanish(&mut self, events: &mut Vec<Event>) {
        self.drop_where(events, |_| true);
    }

    /// What is in force.
    pub(crate) fn keys(&self) -> Vec<ResourceKey> {
        let told = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.told.is_some());
        told.map(|(key, _)| key.clone()).collect()
    }

    fn drop_where(&mut self, events: &mut Vec<Event>, is_gone: impl Fn(&Entry) -> bool) {
        let gone = self.entries.iter().filter(|(_, entry)| is_gone(entry));
        let gone: Vec<ResourceKey> = gone.map(|(key, _)| key.clone()).collect();
        for key in gone {
            if let Some(entry) = self.entries.remove(&key) {
                entry.leave(key, events);
            }
        }
    }

    fn key_of(&self, value: &Value) -> Option<ResourceKey> {
        let metadata = value.get("metadata")?;
        let text = |name: &str| metadata.get(name).and_then(Value::as_str);
        Some(ResourceKey {
            group: self.watched.kind.group.into(),
            kind: self.watched.kind.kind.into(),
            namespace: text("namespace").unwrap_or_default().into(),
            name: text("name").filter(|name| !name.is_empty())?.into(),
        })
    }
}

impl Entry {
    fn upsert(&mut self, key: &ResourceKey, object: Object, events: &mut Vec<Event>) {
        self.mend(key, events);
        if self.told.as_deref() != Some(&object) {
            let object = Arc::new(object);
            self.told = Some(object.clone());
            events.push(Event::Upsert(object));
        }
    }

    /// It cannot be read as it is now; what it was before stays in force.
    fn break_with(&mut self, key: &ResourceKey, found: Vec<Diagnostic>, events: &mut Vec<Event>) {
        if self.broken == found {
            return;
        }
        self.broken.clone_from(&found);
        let held = self.told.as_ref().map(|object| object.key.clone());
        events.push(Event::Broken {
            origin: origin_of(key),
            diagnostics: found,
            held: held.into_iter().collect(),
        });
    }

    fn mend(&mut self, key: &ResourceKey, events: &mut Vec<Event>) {
        if !std::mem::take(&mut self.broken).is_empty() {
            events.push(Event::Mended {
                origin: origin_of(key),
            });
        }
    }

    fn leave(mut self, key: ResourceKey, events: &mut Vec<Event>) {
        self.mend(&key, events);
        if self.told.is_some() {
            events.push(Event::Delete(key));
        }
    }
}

/// The place of one object that cannot be read.
fn origin_of(key: &ResourceKey) -> Str {
    format!("{ORIGIN} {key}").into()
}

#[cfg(test)]
mod tests;
