//! The injector's settings, as its files are now.
//!
//! They are mounted from ConfigMaps, which may change at any time. They are compared whenever a pod
//! asks: that is a read of some kilobytes, and no watch can miss a change.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use mesh_inject::Settings;
use parking_lot::Mutex;

/// Where the injector's settings are.
#[derive(Debug, Clone, Default)]
pub struct InjectorFiles {
    /// The settings, as the chart writes them; defaults without it.
    pub settings: Option<PathBuf>,
    /// Istio's mesh configuration, of which sidecars follow a part.
    pub mesh: Option<PathBuf>,
    /// The namespace of the mesh, where no file says it.
    pub root_namespace: String,
}

/// A file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {why}", file.display())]
pub struct BadFile {
    file: PathBuf,
    why: String,
}

/// Settings that follow their files.
#[derive(Debug)]
pub struct LiveInjector {
    files: InjectorFiles,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    read: Texts,
    settings: Arc<Settings>,
}

/// What the files said, or why they could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Texts {
    settings: Option<Result<String, BadFile>>,
    mesh: Option<Result<String, BadFile>>,
}

impl LiveInjector {
    /// Reads the files.
    ///
    /// # Errors
    /// [`BadFile`] when one cannot be read or used.
    pub fn open(files: InjectorFiles) -> Result<Self, BadFile> {
        let read = files.read();
        let settings = Arc::new(files.settings_of(&read)?);
        Ok(Self {
            files,
            state: Mutex::new(State { read, settings }),
        })
    }

    /// The settings as the files are now; as they were before, when they cannot be used now.
    pub(crate) fn current(&self) -> Arc<Settings> {
        let now = self.files.read();
        let mut state = self.state.lock();
        if state.read != now {
            match self.files.settings_of(&now) {
                Ok(settings) => {
                    tracing::info!("the injector's settings changed");
                    state.settings = Arc::new(settings);
                }
                Err(error) => {
                    tracing::error!(%error, "the injector's settings cannot be used; what they were holds");
                }
            }
            state.read = now;
        }
        state.settings.clone()
    }
}

impl InjectorFiles {
    fn read(&self) -> Texts {
        Texts {
            settings: self.settings.as_deref().map(text),
            mesh: self.mesh.as_deref().map(text),
        }
    }

    fn settings_of(&self, texts: &Texts) -> Result<Settings, BadFile> {
        let mut settings = match (&self.settings, &texts.settings) {
            (Some(file), Some(read)) => Settings::from_yaml(read.as_deref().map_err(Clone::clone)?)
                .map_err(|why| bad(file, &why))?,
            _ => Settings::of_mesh(&self.root_namespace),
        };
        if let (Some(file), Some(read)) = (&self.mesh, &texts.mesh) {
            let (changed, without_effect) = settings
                .with_mesh_config(read.as_deref().map_err(Clone::clone)?)
                .map_err(|why| bad(file, &why))?;
            settings = changed;
            for field in without_effect {
                tracing::warn!(
                    file = %file.display(), field = format!("defaultConfig.{field}"),
                    "has no effect in mesh"
                );
            }
        }
        Ok(settings)
    }
}

fn text(file: &Path) -> Result<String, BadFile> {
    std::fs::read_to_string(file).map_err(|why| bad(file, &why))
}

fn bad(file: &Path, why: &dyn std::fmt::Display) -> BadFile {
    BadFile {
        file: file.to_owned(),
        why: why.to_string(),
    }
}

#[cfg(test)]
mod tests;
