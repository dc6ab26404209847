//! The configuration with which a mesh starts: what `up` loads, beside what was there before.

use std::collections::BTreeSet;

use mesh_api::Object;
use mesh_model::name::ResourceKey;
use mesh_model::time::Clock;

use super::{Store, stamped};
use crate::embedded::state_dir::{self, StateDir};
use crate::error::CommandError;

/// Which objects `up` put in, so that the next one can tell them from those of `apply`.
const LOADED: &str = "run/loaded.json";

/// How the configuration of a state folder is made ready for a start.
pub(crate) struct Opening<'a> {
    dir: &'a StateDir,
    store: Store,
    new: &'a [Object],
    gone: Vec<ResourceKey>,
    stay: Vec<Object>,
    fresh: bool,
}

impl<'a> Opening<'a> {
    /// Looks at what is there and changes nothing.
    ///
    /// Objects that an earlier `up` had put in and that are not among `new` will go; those of
    /// `apply`, or put in by hand, stay unless the start is `fresh`.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub(crate) fn of(
        dir: &'a StateDir,
        new: &'a [Object],
        fresh: bool,
    ) -> Result<Self, CommandError> {
        let store = Store::config(dir)?;
        let loaded = loaded(dir);
        let others = store
            .objects()
            .filter(|old| !new.iter().any(|object| object.key == old.key));
        let (gone, stay): (Vec<&Object>, Vec<&Object>) =
            others.partition(|object| fresh || loaded.contains(&object.key.to_string()));
        let gone = gone.into_iter().map(|object| object.key.clone()).collect();
        let stay = stay.into_iter().cloned().collect();
        Ok(Self {
            dir,
            store,
            new,
            gone,
            stay,
            fresh,
        })
    }

    /// What stays in force from before.
    pub(crate) fn stay(&self) -> &[Object] {
        &self.stay
    }

    /// Carries it out.
    ///
    /// # Errors
    /// When a file cannot be written or removed.
    pub(crate) fn carry_out(mut self, clock: &dyn Clock) -> Result<(), CommandError> {
        if self.fresh {
            for file in state_dir::files(&self.dir.path("config"))? {
                state_dir::remove(&file)?;
            }
            self.store = Store::config(self.dir)?;
        }
        for key in &self.gone {
            self.store.take_out(key)?;
        }
        for object in self.new {
            let old = self.store.find(&object.key);
            if !old.is_some_and(|old| old.same_content(object)) {
                let object = stamped(object, old, clock);
                self.store.put(&object)?;
            }
        }
        let names: Vec<String> = self
            .new
            .iter()
            .map(|object| object.key.to_string())
            .collect();
        let text = serde_json::to_string_pretty(&names).unwrap_or_default();
        self.dir.write(LOADED, text.as_bytes())
    }
}

fn loaded(dir: &StateDir) -> BTreeSet<String> {
    let text = std::fs::read_to_string(dir.path(LOADED)).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}
