//! Certificates and roots in files of this machine: read beside the feed, never by a worker.
//!
//! They are looked for before the listener that names them is in force, and again every few seconds:
//! others renew them. What cannot be used does not take the place of what can, for it may be half
//! written; a file that is gone was taken away.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use mesh_model::Str;
use mesh_pki::credential::{ClientRoots, Credential, CredentialError};
use mesh_runtime::Tasks;
use mesh_traffic::config::FoundInFiles;
use mesh_traffic::secret::Content;
use mesh_traffic::tls::InFiles;
use mesh_traffic::{Config, Secret};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::config::LiveConfig;

/// How often it is looked whether files have changed.
const LOOK: Duration = Duration::from_secs(5);

/// The files that are asked for, and what was found in them. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Files(Arc<Mutex<HashMap<InFiles, Known, ahash::RandomState>>>);

struct Known {
    found: Result<Arc<Secret>, Str>,
    /// Why the last look brought nothing, which was told.
    trouble: Option<Str>,
}

/// Why files cannot be used.
struct Trouble {
    /// The file, and the reason.
    why: Str,
    /// There is no such file.
    gone: bool,
}

impl Files {
    /// Looks for those that were not asked for before, and forgets those that are not any more.
    pub(super) fn want(&self, wanted: &BTreeSet<InFiles>) {
        let new: Vec<_> = {
            let mut known = self.0.lock();
            known.retain(|files, _| wanted.contains(files));
            let new = wanted.iter().filter(|files| !known.contains_key(*files));
            new.cloned().collect()
        };
        for files in new {
            let known = Known::of(&files, look(&files, None));
            self.0.lock().insert(files, known);
        }
    }

    /// What was found.
    pub(super) fn found(&self) -> FoundInFiles {
        let known = self.0.lock();
        let found = known.iter();
        found
            .map(|(files, known)| (files.clone(), known.found.clone()))
            .collect()
    }

    /// Looks into all of them again; whether anything else was found.
    fn look_again(&self) -> bool {
        let asked: Vec<_> = {
            let known = self.0.lock();
            let asked = known.iter();
            asked
                .map(|(files, known)| (files.clone(), known.found.clone().ok()))
                .collect()
        };
        let mut changed = false;
        for (files, before) in asked {
            let looked = look(&files, before.as_deref());
            // Nobody may ask for them any more.
            if let Some(known) = self.0.lock().get_mut(&files) {
                changed |= known.take(&files, looked);
            }
        }
        changed
    }

    /// Puts in force what others write into the files, until the tasks are stopped.
    pub(super) fn follow(self, live: Arc<LiveConfig>, tasks: &Tasks) {
        let (stopping, own) = (tasks.stopping().clone(), tasks.clone());
        tasks.spawn("files", async move {
            let following = self.follow_for_ever(live, own);
            let _stopped = stopping.run_until_cancelled(following).await;
        });
    }

    async fn follow_for_ever(self, live: Arc<LiveConfig>, tasks: Tasks) {
        let mut changes = live.changes();
        loop {
            // Most proxies are never asked for a file.
            while live.current().files.is_empty() {
                if changes.changed().await.is_err() {
                    return;
                }
            }
            tokio::time::sleep(LOOK).await;
            let (done, is_done) = oneshot::channel::<()>();
            let (files, live) = (self.clone(), live.clone());
            tasks.spawn_blocking("look into files", move || {
                if files.look_again() {
                    files.put_in_force(&live);
                }
                drop(done);
            });
            // It ends by being dropped.
            let _done = is_done.await;
        }
    }

    fn put_in_force(&self, live: &LiveConfig) {
        live.change(|before| Config {
            files: self.found(),
            version: before.version + 1,
            ..before.clone()
        });
    }
}

impl Known {
    fn of(files: &InFiles, looked: Result<Option<Content>, Trouble>) -> Self {
        let mut known = Self {
            found: Err(files.to_string().into()),
            trouble: None,
        };
        known.take(files, looked);
        known
    }

    /// Takes what a look has brought; whether it is something else.
    fn take(&mut self, files: &InFiles, looked: Result<Option<Content>, Trouble>) -> bool {
        let trouble = match looked {
            Ok(content) => {
                self.trouble = None;
                return content.is_some_and(|content| self.replace(files, content));
            }
            Err(trouble) => trouble,
        };
        let Trouble { why, gone } = trouble;
        if self.trouble.as_ref() != Some(&why) {
            tracing::warn!(resource = %files, error = %why, "files of a secret cannot be used");
            self.trouble = Some(why.clone());
        }
        match &self.found {
            Ok(_) if !gone => false,
            Err(before) if *before == why => false,
            Ok(_) | Err(_) => {
                self.found = Err(why);
                true
            }
        }
    }

    fn replace(&mut self, files: &InFiles, content: Content) -> bool {
        let name = Str::from(files.to_string());
        self.found = Ok(Arc::new(Secret { name, content }));
        true
    }
}

/// What is in the files, unless it is what was there before.
fn look(files: &InFiles, before: Option<&Secret>) -> Result<Option<Content>, Trouble> {
    let unusable = |path: &Str, why: CredentialError| Trouble {
        why: format!("{path}: {why}").into(),
        gone: false,
    };
    match files {
        InFiles::Certificate { chain, key } => {
            let (chain_pem, key_pem) = (read(chain)?, read(key)?);
            let before = before.and_then(Secret::certificate);
            let same = |before: &Credential| {
                before.chain().as_bytes() == chain_pem && before.key().as_bytes() == key_pem
            };
            if before.is_some_and(same) {
                return Ok(None);
            }
            let made = Credential::from_pem(&chain_pem, &key_pem);
            let made = made.map_err(|why| unusable(chain, why))?;
            Ok(Some(Content::Certificate(made)))
        }
        InFiles::Roots(path) => {
            let pem = read(path)?;
            let before = before.and_then(Secret::roots);
            if before.is_some_and(|before| before.pem().as_bytes() == pem) {
                return Ok(None);
            }
            let made = ClientRoots::from_pem(&pem).map_err(|why| unusable(path, why))?;
            Ok(Some(Content::Roots(made)))
        }
    }
}

fn read(path: &Str) -> Result<Vec<u8>, Trouble> {
    std::fs::read(&**path).map_err(|error| Trouble {
        why: format!("{path}: {error}").into(),
        gone: error.kind() == io::ErrorKind::NotFound,
    })
}

#[cfg(test)]
mod tests;
