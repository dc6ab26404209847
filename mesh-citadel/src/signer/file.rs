//! The CA's files: made on first start, kept and checked on every other.
//!
//! `ca-key.pem` (0600), `ca-cert.pem`, `root-cert.pem` (the roots for everybody, with ca-cert.pem
//! among them). Anything that does not fit is refused with the file and the way out, and never
//! replaced: a new root would cut off every workload that trusts the old one.

mod create;

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use mesh_model::ident::TrustDomain;
use mesh_model::time::rfc3339;
use mesh_pki::bundle::TrustBundle;
use mesh_pki::ca::{Ca, CaError};
use mesh_pki::chain;
use mesh_pki::key::{Key, KeyError};
use mesh_pki::template::TemplateError;

use crate::signer::Signer;

/// A signing certificate with less than this left is warned of at each start.
const EXPIRES_SOON: Duration = Duration::from_secs(90 * 24 * 3600);

const KEY: &str = "ca-key.pem";
const CERTIFICATE: &str = "ca-cert.pem";
const ROOTS: &str = "root-cert.pem";

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
    let present = [KEY, CERTIFICATE, ROOTS].map(|name| directory.join(name).exists());
    if present == [false; 3] {
        create::create(directory, trust_domain, now)?;
    }
    open(directory, trust_domain, now)
}

fn open(
    directory: &Path,
    trust_domain: &TrustDomain,
    now: SystemTime,
) -> Result<Signer, FileError> {
    let (key_path, ca_path, roots_path) = (
        directory.join(KEY),
        directory.join(CERTIFICATE),
        directory.join(ROOTS),
    );
    check_mode(&key_path)?;
    let key_text = read(&key_path)?;
    let key = Key::from_pem(&key_text).map_err(refused(&key_path))?;
    let certificates = chain::from_pem(&read(&ca_path)?).map_err(refused(&ca_path))?;
    let [certificate] = certificates.as_slice() else {
        let why = format!(
            "{} certificates, exactly one is expected",
            certificates.len()
        );
        return Err(refused(&ca_path)(why));
    };
    let ca = Ca::new(certificate.clone(), key).map_err(|error| {
        let hint = match &error {
            CaError::KeyMismatch => format!(" (the key is {})", key_path.display()),
            _ => String::new(),
        };
        refused(&ca_path)(format!("{error}{hint}"))
    })?;
    if !ca.facts().is_current(now) {
        let why = format!(
            "the signing certificate is valid from {} to {} only; put a current one in its place",
            rfc3339(ca.facts().not_before),
            rfc3339(ca.facts().not_after)
        );
        return Err(refused(&ca_path)(why));
    }
    warn_of_expiry(&ca, now);
    let bundle = TrustBundle::from_pem(trust_domain.clone(), &read(&roots_path)?)
        .map_err(refused(&roots_path))?;
    if !bundle.roots().contains(ca.facts()) {
        let why = format!("{} is not among the roots; add it", ca_path.display());
        return Err(refused(&roots_path)(why));
    }
    Ok(Signer::new(ca, Key::generate()?, Arc::new(bundle))?)
}

fn warn_of_expiry(ca: &Ca, now: SystemTime) {
    let left = ca.facts().not_after.duration_since(now).unwrap_or_default();
    if left < EXPIRES_SOON {
        tracing::warn!(
            not_after = rfc3339(ca.facts().not_after),
            "the signing certificate expires soon; no certificate will outlive it"
        );
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

fn read(path: &Path) -> Result<String, FileError> {
    fs::read_to_string(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => refused(path)(
            "missing, though others of ca-key.pem, ca-cert.pem, root-cert.pem are there; \
             put it back, or empty the directory to start with a new root",
        ),
        _ => io_error(path)(error),
    })
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
