//! The store: events of several sources in, a versioned snapshot out.
//!
//! A state machine without I/O. An object that breaks its own rules is set aside and its last good
//! version holds; one that refers to something missing stays in force with a diagnostic, because
//! what it refers to may still come.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mesh_api::resources::{Typed, duplicate, has_errors, read};
use mesh_api::validate::references::{Mesh, check_references_of};
use mesh_api::{Object, ResourceSet};
use mesh_model::Str;
use mesh_model::diag::Diagnostic;
use mesh_model::name::ResourceKey;

use crate::Event;
use crate::snapshot::{ObjectState, Snapshot, State};

/// Objects by key and source, and the places that are broken.
#[derive(Debug, Default)]
pub struct Store {
    mesh: Mesh,
    version: u64,
    /// Per object what each source says of it; the lowest source counts.
    objects: BTreeMap<ResourceKey, BTreeMap<usize, Entry>>,
    broken: BTreeMap<(usize, Str), Broken>,
    synced: BTreeSet<usize>,
}

#[derive(Debug)]
struct Entry {
    written: Arc<Object>,
    /// What was wrong with `written` by itself.
    diagnostics: Vec<Diagnostic>,
    /// What is in force: `written`, or what was valid before it.
    good: Option<Typed>,
}

#[derive(Debug)]
struct Broken {
    diagnostics: Vec<Diagnostic>,
    held: Vec<ResourceKey>,
}

impl Store {
    /// A store for a mesh of its own domain and namespace.
    #[must_use]
    pub fn of(mesh: Mesh) -> Self {
        Self {
            mesh,
            ..Self::default()
        }
    }

    /// Takes in what a source told; sources are numbered from 0 by precedence.
    pub fn apply(&mut self, source: usize, events: impl IntoIterator<Item = Event>) {
        for event in events {
            match event {
                Event::Upsert(object) => self.upsert(source, object),
                Event::Delete(key) => self.delete(source, &key),
                Event::Synced => {
                    self.synced.insert(source);
                }
                Event::Broken {
                    origin,
                    diagnostics,
                    held,
                } => {
                    let broken = Broken { diagnostics, held };
                    self.broken.insert((source, origin), broken);
                }
                Event::Mended { origin } => {
                    self.broken.remove(&(source, origin));
                }
            }
        }
    }

    /// How many sources have told everything that they had at the start.
    #[must_use]
    pub fn synced_sources(&self) -> usize {
        self.synced.len()
    }

    /// The next version of everything.
    pub fn snapshot(&mut self) -> Snapshot {
        self.version += 1;
        let resources: ResourceSet = self
            .objects
            .values()
            .filter_map(|entries| entries.values().next()?.good.clone())
            .collect();
        let mut states: BTreeMap<ResourceKey, ObjectState> = self
            .objects
            .iter()
            .filter_map(|(key, entries)| Some((key.clone(), state_of(entries)?)))
            .collect();
        for broken in self.broken.values() {
            broken.mark(&mut states);
        }
        for diagnostic in check_references_of(&resources, &self.mesh, |_| true) {
            let state = diagnostic.at.as_ref().and_then(|key| states.get_mut(key));
            if let Some(state) = state {
                state.diagnostics.push(diagnostic);
            }
        }
        Snapshot {
            version: self.version,
            resources: Arc::new(resources),
            states,
            broken: self.broken_places(),
        }
    }

    fn upsert(&mut self, source: usize, object: Arc<Object>) {
        let (typed, diagnostics) = read(&object);
        let entries = self.objects.entry(object.key.clone()).or_default();
        let before = entries.remove(&source).and_then(|entry| entry.good);
        let entry = Entry {
            written: object,
            diagnostics,
            good: typed.or(before),
        };
        entries.insert(source, entry);
    }

    fn delete(&mut self, source: usize, key: &ResourceKey) {
        if let Some(entries) = self.objects.get_mut(key) {
            entries.remove(&source);
            if entries.is_empty() {
                self.objects.remove(key);
            }
        }
    }

    fn broken_places(&self) -> BTreeMap<Str, Vec<Diagnostic>> {
        let mut places: BTreeMap<Str, Vec<Diagnostic>> = BTreeMap::new();
        for ((_, origin), broken) in &self.broken {
            let found = places.entry(origin.clone()).or_default();
            found.extend(broken.diagnostics.iter().cloned());
        }
        places
    }
}

fn state_of(entries: &BTreeMap<usize, Entry>) -> Option<ObjectState> {
    let mut entries = entries.values();
    let first = entries.next()?;
    let mut diagnostics = first.diagnostics.clone();
    diagnostics.extend(entries.map(|other| {
        let written = &other.written;
        duplicate(&written.key, &written.origin, &first.written.origin)
    }));
    let state = match (&first.good, has_errors(&first.diagnostics)) {
        (None, _) => State::SetAside,
        (Some(_), true) => State::LastGood,
        (Some(_), false) => State::InForce,
    };
    Some(ObjectState {
        state,
        diagnostics,
        object: first.written.clone(),
    })
}

impl Broken {
    /// Objects that a broken place no longer shows are as they were before it broke.
    fn mark(&self, states: &mut BTreeMap<ResourceKey, ObjectState>) {
        for key in &self.held {
            if let Some(state) = states.get_mut(key) {
                if state.state == State::InForce {
                    state.state = State::LastGood;
                }
                state.diagnostics.extend(self.diagnostics.iter().cloned());
            }
        }
    }
}

#[cfg(test)]
mod tests;
