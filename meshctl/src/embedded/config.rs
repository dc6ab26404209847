//! The folder of objects in force: reading it, and changing it object by object.
//!
//! `apply` keeps one file per object; files put in by hand count too, whatever their names are
//! and however many objects they hold.

use std::path::PathBuf;

use mesh_api::timestamp::Timestamp;
use mesh_api::{Object, decode, emit};
use mesh_model::diag::Diagnostic;
use mesh_model::name::ResourceKey;
use mesh_model::time::Clock;
use serde_json::Value;

use super::state_dir::{self, StateDir, object_file};
use crate::error::CommandError;

mod opening;

pub(crate) use opening::Opening;

/// The files of a folder of objects.
#[derive(Debug, Default)]
pub(crate) struct Store {
    folder: PathBuf,
    files: Vec<Stored>,
}

#[derive(Debug)]
struct Stored {
    path: PathBuf,
    objects: Vec<Object>,
    findings: Vec<Diagnostic>,
}

impl Store {
    /// Reads the objects that are configured.
    ///
    /// # Errors
    /// When the folder cannot be read. What cannot be decoded is a finding.
    pub(crate) fn config(dir: &StateDir) -> Result<Self, CommandError> {
        Self::load(dir.path("config"))
    }

    /// Reads the objects that stand for Kubernetes.
    ///
    /// # Errors
    /// As [`Store::config`].
    pub(crate) fn cluster(dir: &StateDir) -> Result<Self, CommandError> {
        Self::load(dir.path("cluster"))
    }

    fn load(folder: PathBuf) -> Result<Self, CommandError> {
        let mut files = Vec::new();
        for path in state_dir::files(&folder)? {
            if !path
                .extension()
                .is_some_and(|end| ["yaml", "yml", "json"].iter().any(|known| end == *known))
            {
                continue;
            }
            // A file may be gone, or be replaced, between the listing and now.
            let Ok(text) = std::fs::read_to_string(&path) else {
                continue;
            };
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let (objects, findings) = decode::objects(&name, &text);
            files.push(Stored {
                path,
                objects,
                findings,
            });
        }
        Ok(Self { folder, files })
    }

    /// Every object.
    pub(crate) fn objects(&self) -> impl Iterator<Item = &Object> {
        self.files.iter().flat_map(|file| &file.objects)
    }

    /// What could not be decoded.
    pub(crate) fn findings(&self) -> impl Iterator<Item = &Diagnostic> {
        self.files.iter().flat_map(|file| &file.findings)
    }

    /// The object of a key.
    pub(crate) fn find(&self, key: &ResourceKey) -> Option<&Object> {
        self.objects().find(|object| object.key == *key)
    }

    /// Puts an object in force in place of the one with its key.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn put(&mut self, object: &Object) -> Result<(), CommandError> {
        let path = match self.files.iter().find(|file| file.holds(&object.key)) {
            Some(file) if file.is_of_one_object() => file.path.clone(),
            Some(_) => {
                self.take_out(&object.key)?;
                self.own_path(&object.key)
            }
            None => self.own_path(&object.key),
        };
        state_dir::write(&path, yaml(&object.value)?.as_bytes())?;
        self.files.retain(|file| file.path != path);
        self.files.push(Stored {
            path,
            objects: vec![object.clone()],
            findings: Vec::new(),
        });
        Ok(())
    }

    /// Takes an object out of force; false when there was none.
    ///
    /// # Errors
    /// When its file cannot be changed.
    pub(crate) fn take_out(&mut self, key: &ResourceKey) -> Result<bool, CommandError> {
        let mut found = false;
        for file in self.files.iter_mut().filter(|file| file.holds(key)) {
            found = true;
            if file.is_of_one_object() {
                state_dir::remove(&file.path)?;
                file.objects.clear();
                continue;
            }
            if !file.findings.is_empty() {
                let path = file.path.display();
                let error = format!("{path}: holds {key} beside what cannot be read");
                return Err(CommandError::problem(error).hint("mend or split the file by hand"));
            }
            file.objects.retain(|object| object.key != *key);
            let values = file.objects.iter().map(|object| &object.value);
            let text = emit::to_yaml_stream(values).map_err(CommandError::problem)?;
            state_dir::write(&file.path, text.as_bytes())?;
        }
        Ok(found)
    }

    fn own_path(&self, key: &ResourceKey) -> PathBuf {
        self.folder
            .join(object_file(&key.kind, &key.namespace, &key.name))
    }
}

impl Stored {
    fn holds(&self, key: &ResourceKey) -> bool {
        self.objects.iter().any(|object| object.key == *key)
    }

    fn is_of_one_object(&self) -> bool {
        self.objects.len() == 1 && self.findings.is_empty()
    }
}

/// The object with what an API server would write into it: when it came to be, and how often it
/// was changed. Istio lets the oldest object win where two contradict each other.
pub(crate) fn stamped(object: &Object, old: Option<&Object>, clock: &dyn Clock) -> Object {
    let kept = |name: &str| old.and_then(|old| old.value.get("metadata")?.get(name).cloned());
    let mut object = object.clone();
    let Some(meta) = object
        .value
        .get_mut("metadata")
        .and_then(Value::as_object_mut)
    else {
        return object;
    };
    let created = kept("creationTimestamp")
        .unwrap_or_else(|| Timestamp::from(clock.wall()).to_string().into());
    let generation = kept("generation")
        .and_then(|number| number.as_u64())
        .unwrap_or(0);
    meta.insert("creationTimestamp".to_owned(), created);
    meta.insert("generation".to_owned(), (generation + 1).into());
    object
}

/// An object as the text of its file.
///
/// # Errors
/// When it is nested too deeply.
pub(crate) fn yaml(value: &Value) -> Result<String, CommandError> {
    emit::to_yaml(value).map_err(CommandError::problem)
}

#[cfg(test)]
mod tests;
