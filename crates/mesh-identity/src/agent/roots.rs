//! The root file: read when it is needed and when it has changed.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;

use mesh_model::ident::TrustDomain;
use mesh_pki::bundle::TrustBundle;

use crate::agent::ObtainError;
use crate::settings::IdentitySettings;

/// The file with the roots of the mesh.
pub(super) struct RootFile {
    path: PathBuf,
    trust_domain: TrustDomain,
    /// Device, inode, length and time of the version that was read, good or bad.
    seen: Option<Version>,
    good: Option<Arc<TrustBundle>>,
}

type Version = (u64, u64, u64, i64, i64);

impl RootFile {
    pub(super) fn new(settings: &IdentitySettings) -> Self {
        Self {
            path: settings.ca_root.clone(),
            trust_domain: settings.trust_domain.clone(),
            seen: None,
            good: None,
        }
    }

    /// The roots as they are now; the last good ones while the file is not readable.
    pub(super) fn read(&mut self) -> Result<Arc<TrustBundle>, ObtainError> {
        let read = self.read_if_changed();
        match (read, &self.good) {
            (Ok(Some(bundle)), _) => Ok(bundle),
            (_, Some(good)) => Ok(good.clone()),
            (Err(error), None) => Err(error),
            // Seen before, and bad then: say again why.
            (Ok(None), None) => self.load(),
        }
    }

    /// The roots if the file is another one than last time.
    pub(super) fn read_if_changed(&mut self) -> Result<Option<Arc<TrustBundle>>, ObtainError> {
        let Some(version) = self.version() else {
            // Missing for a moment, or not yet there: an error only for who has no roots at all.
            return if self.good.is_some() {
                Ok(None)
            } else {
                self.load().map(Some)
            };
        };
        if self.seen == Some(version) {
            return Ok(None);
        }
        self.seen = Some(version);
        let bundle = self.load()?;
        if self.good.as_ref() == Some(&bundle) {
            return Ok(None);
        }
        self.good = Some(bundle.clone());
        Ok(Some(bundle))
    }

    fn version(&self) -> Option<Version> {
        let file = std::fs::metadata(&self.path).ok()?;
        Some((
            file.dev(),
            file.ino(),
            file.len(),
            file.mtime(),
            file.mtime_nsec(),
        ))
    }

    fn load(&self) -> Result<Arc<TrustBundle>, ObtainError> {
        let failed = |why: String| ObtainError::Roots {
            path: self.path.clone(),
            why,
        };
        let text =
            std::fs::read_to_string(&self.path).map_err(|error| failed(error.to_string()))?;
        let bundle = TrustBundle::from_pem(self.trust_domain.clone(), &text);
        bundle
            .map(Arc::new)
            .map_err(|error| failed(error.to_string()))
    }
}

#[cfg(test)]
mod tests;
