//! Tokens of the local mesh: the supervisor makes a random one for each workload instance and puts
//! its hash, with the one identity that it stands for, into a directory.
//!
//! Tokens themselves are never stored. A file that goes takes its token with it.

mod watch;

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest;
use mesh_model::ident::{SpiffeId, TrustDomain};
use parking_lot::Mutex;
use serde::Deserialize;

use crate::authenticate::Unknown;
use crate::authorize::Caller;

pub use watch::WatchError;

/// Longest file that is read.
const MAX_FILE: u64 = 16 * 1024;
/// Length of a SHA-256.
const HASH: usize = 32;

/// One file of the directory.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AcceptedFile {
    /// SHA-256 of the token's text, in hexadecimal.
    sha256: String,
    /// The SPIFFE ID that the token stands for.
    identity: String,
}

/// A hash and what it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Accepted {
    hash: [u8; HASH],
    identity: SpiffeId,
}

/// The tokens accepted at present. Clones share them.
#[derive(Debug, Clone)]
pub struct FileTokens(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    directory: PathBuf,
    trust_domain: TrustDomain,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    accepted: Vec<Accepted>,
    /// Time of the directory's last change when it was read.
    as_of: Option<SystemTime>,
}

impl FileTokens {
    /// Reads the directory, which may appear later.
    #[must_use]
    pub fn read(directory: PathBuf, trust_domain: TrustDomain) -> Self {
        let tokens = Self(Arc::new(Shared {
            directory,
            trust_domain,
            state: Mutex::default(),
        }));
        tokens.refresh();
        tokens
    }

    /// Reads the directory again.
    pub fn refresh(&self) {
        // Taken before the files are read: a change in between is then seen as one by the next look.
        let as_of = self.changed_at();
        let accepted = self.scan();
        *self.0.state.lock() = State { accepted, as_of };
    }

    /// Whose token `token` is.
    ///
    /// A token that is not known is looked for once more if the directory has changed, because a
    /// workload may be quicker than the news of its file.
    ///
    /// # Errors
    /// [`Unknown::NotAccepted`].
    pub fn authenticate(&self, token: &str) -> Result<Caller, Unknown> {
        let hash = digest::digest(&digest::SHA256, token.as_bytes());
        if let Some(identity) = self.find(hash.as_ref()) {
            return Ok(Caller::Workload { identity });
        }
        if self.changed_at() == self.0.state.lock().as_of {
            return Err(Unknown::NotAccepted);
        }
        self.refresh();
        match self.find(hash.as_ref()) {
            Some(identity) => Ok(Caller::Workload { identity }),
            None => Err(Unknown::NotAccepted),
        }
    }

    /// Compares with every hash, each in constant time, so that the time tells nothing of them.
    fn find(&self, hash: &[u8]) -> Option<SpiffeId> {
        let state = self.0.state.lock();
        let mut found = None;
        for accepted in &state.accepted {
            if verify_slices_are_equal(&accepted.hash, hash).is_ok() {
                found = Some(&accepted.identity);
            }
        }
        found.cloned()
    }

    fn changed_at(&self) -> Option<SystemTime> {
        fs::metadata(&self.0.directory).ok()?.modified().ok()
    }

    fn scan(&self) -> Vec<Accepted> {
        let files = match files(&self.0.directory) {
            Ok(files) => files,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                let directory = self.0.directory.display();
                tracing::error!(%directory, %error, "accepted tokens cannot be read");
                Vec::new()
            }
        };
        let mut accepted: HashMap<[u8; HASH], SpiffeId> = HashMap::new();
        let mut ambiguous = Vec::new();
        for file in files {
            match parse(&file, &self.0.trust_domain) {
                Ok(Some(entry)) => {
                    let former = accepted.insert(entry.hash, entry.identity.clone());
                    if former.is_some_and(|former| former != entry.identity) {
                        tracing::warn!(
                            file = %file.display(),
                            "token refused: another file gives it another identity"
                        );
                        ambiguous.push(entry.hash);
                    }
                }
                Ok(None) => {}
                Err(why) => {
                    tracing::warn!(file = %file.display(), error = why, "token file refused");
                }
            }
        }
        accepted.retain(|hash, _| !ambiguous.contains(hash));
        let entries = accepted.into_iter();
        entries
            .map(|(hash, identity)| Accepted { hash, identity })
            .collect()
    }
}

fn files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Reads one file; none if it has gone meanwhile.
fn parse(path: &Path, trust_domain: &TrustDomain) -> Result<Option<Accepted>, String> {
    let text = match fs::metadata(path) {
        Ok(meta) if meta.len() > MAX_FILE => return Err("it is too long".into()),
        Ok(_) => fs::read_to_string(path),
        Err(error) => Err(error),
    };
    let text = match text {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let file: AcceptedFile = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let hash = from_hex(&file.sha256).ok_or("sha256: not 64 hexadecimal digits")?;
    let identity = SpiffeId::parse(&file.identity).map_err(|error| format!("identity: {error}"))?;
    if identity.trust_domain() != trust_domain {
        return Err(format!("identity: {identity} is not of {trust_domain}"));
    }
    if identity.service_account().is_none() {
        return Err(format!("identity: {identity} names no service account"));
    }
    Ok(Some(Accepted { hash, identity }))
}

fn from_hex(text: &str) -> Option<[u8; HASH]> {
    let mut bytes = [0; HASH];
    let mut digits = text.chars().map(|digit| digit.to_digit(16));
    for byte in &mut bytes {
        let (high, low) = (digits.next()??, digits.next()??);
        *byte = u8::try_from(high * 16 + low).ok()?;
    }
    digits.next().is_none().then_some(bytes)
}

#[cfg(test)]
mod tests;
