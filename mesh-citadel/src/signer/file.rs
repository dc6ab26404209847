//! The CA's files: made on first start, kept and checked on every other, or the user's own.
//!
//! `ca-key.pem` (0600), `ca-cert.pem`, `root-cert.pem` (the roots for everybody), and `cert-chain.pem`
//! with what is between the two if the CA is no root; or `tls.key`, `tls.crt` (the CA, and what is
//! between) and `ca.crt`. Anything that does not fit is refused with the file and the way out, and never
//! replaced: a new root would cut off every workload that trusts the old one.

mod create;

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use mesh_model::ident::TrustDomain;
use mesh_pki::ca::CaError;
use mesh_pki::key::KeyError;
use mesh_pki::template::TemplateError;

use crate::signer::Signer;
use crate::signer::parts::{Layout, Part, Parts};

/// The files of a CA that is made here.
const KEY: &str = Layout::Istio.name(Part::Key);
const CERTIFICATE: &str = Layout::Istio.name(Part::Certificate);
const ROOTS: &str = Layout::Istio.name(Part::Roots);
/// The link by which kubelet exchanges all files of a volume at once.
const DATA: &str = "..data";
/// How often files are read that are exchanged while they are read.
const GENERATIONS: usize = 5;

/// Why there is no CA.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// A file is refused.
    #[error("{}: {why}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// What is wrong, and the way out.
        why: String,
    },
    /// A file cannot be read or written.
    #[error("{}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// A new CA could not be made.
    #[error("no CA could be made: {0}")]
    Make(String),
}

impl From<KeyError> for FileError {
    fn from(error: KeyError) -> Self {
        Self::Make(error.to_string())
    }
}

impl From<CaError> for FileError {
    fn from(error: CaError) -> Self {
        Self::Make(error.to_string())
    }
}

impl From<TemplateError> for FileError {
    fn from(error: TemplateError) -> Self {
        Self::Make(error.to_string())
    }
}

/// Opens the CA in `directory`, or makes one if there is none of its files.
///
/// # Errors
/// [`FileError`], which names the file.
pub fn open_or_create(
    directory: &Path,
    trust_domain: &TrustDomain,
    now: SystemTime,
) -> Result<Signer, FileError> {
    create::finish(directory)?;
    if let Some(signer) = open(directory, trust_domain, now)? {
        return Ok(signer);
    }
    create::create(directory, trust_domain, now)?;
    let made = open(directory, trust_domain, now)?;
    made.ok_or_else(|| FileError::Make("the files are gone again".into()))
}

/// Opens the CA in `directory`, if there is any of its files.
///
/// # Errors
/// [`FileError`], which names the file.
pub fn open(
    directory: &Path,
    trust_domain: &TrustDomain,
    now: SystemTime,
) -> Result<Option<Signer>, FileError> {
    let Some(parts) = parts(directory)? else {
        return Ok(None);
    };
    let signer = parts.signer(trust_domain, now).map_err(|refusal| {
        let path = directory.join(parts.layout.name(refusal.part));
        refused(&path)(refusal.why)
    })?;
    Ok(Some(signer))
}

/// Reads the files, all of one generation: kubelet puts the files of a Secret into a folder of
/// their own and exchanges all at once by the link `..data`.
fn parts(directory: &Path) -> Result<Option<Parts>, FileError> {
    let mut read = parts_of_now(directory);
    for _ in 1..GENERATIONS {
        match read {
            (before, parts) if before == generation(directory) => return parts,
            _ => read = parts_of_now(directory),
        }
    }
    read.1
}

/// The generation that was there when the files were read.
type Read = (Option<PathBuf>, Result<Option<Parts>, FileError>);

fn parts_of_now(directory: &Path) -> Read {
    let generation = generation(directory);
    let folder = generation.as_deref().unwrap_or(directory);
    let Some(layout) = layout(folder) else {
        return (generation, Ok(None));
    };
    let texts = Texts {
        directory,
        folder,
        layout,
        // In a volume of Kubernetes the files are the pod's alone, whatever their mode says.
        private: generation.is_none(),
    };
    let parts = texts.read();
    (generation, parts.map(Some))
}

fn generation(directory: &Path) -> Option<PathBuf> {
    fs::canonicalize(directory.join(DATA)).ok()
}

/// The layout of which there is a file; Istio's where there are both.
fn layout(folder: &Path) -> Option<Layout> {
    let is_there = |layout: &Layout| {
        let mut names = layout.names().iter();
        names.any(|(name, _)| folder.join(name).exists())
    };
    [Layout::Istio, Layout::Tls].into_iter().find(is_there)
}

/// Where the files are.
struct Texts<'a> {
    /// As the user calls it.
    directory: &'a Path,
    /// Where they really are.
    folder: &'a Path,
    layout: Layout,
    private: bool,
}

impl Texts<'_> {
    fn read(&self) -> Result<Parts, FileError> {
        let key = self.layout.name(Part::Key);
        if self.private && self.folder.join(key).exists() {
            check_mode(&self.folder.join(key))?;
        }
        Ok(Parts {
            layout: self.layout,
            key: self.text(Part::Key)?,
            certificate: self.text(Part::Certificate)?,
            issuers: self.text(Part::Issuers)?,
            roots: self.text(Part::Roots)?,
        })
    }

    fn text(&self, part: Part) -> Result<String, FileError> {
        let name = self.layout.name(part);
        let path = self.directory.join(name);
        let error = match fs::read_to_string(self.folder.join(name)) {
            Ok(text) => return Ok(text),
            Err(error) => error,
        };
        if error.kind() != io::ErrorKind::NotFound {
            return Err(io_error(&path)(error));
        }
        let mut names = self.layout.names().iter();
        if names.any(|(optional, needed)| *optional == name && !needed) {
            return Ok(String::new());
        }
        let needed = self.layout.names().iter().filter(|(_, needed)| *needed);
        let needed: Vec<&str> = needed.map(|(name, _)| *name).collect();
        Err(refused(&path)(format!(
            "missing, though others of {} are there; put it back, or empty the directory to start \
             with a new root",
            needed.join(", ")
        )))
    }
}

fn check_mode(key: &Path) -> Result<(), FileError> {
    let mode = fs::metadata(key)
        .map_err(io_error(key))?
        .permissions()
        .mode();
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let why = format!(
        "others may read this key (mode {:04o}); run: chmod 600 {}",
        mode & 0o7777,
        key.display()
    );
    Err(refused(key)(why))
}

fn refused<E: ToString>(path: &Path) -> impl Fn(E) -> FileError {
    move |why| FileError::Refused {
        path: path.to_owned(),
        why: why.to_string(),
    }
}

fn io_error(path: &Path) -> impl Fn(io::Error) -> FileError {
    move |error| FileError::Io {
        path: path.to_owned(),
        error,
    }
}

#[cfg(test)]
mod tests;
