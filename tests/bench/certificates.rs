//! Certificates for the peers, of the kind that a mesh has: P-256 leaves with a SPIFFE ID.

use std::path::{Path, PathBuf};

use anyhow::Result;
use mesh_model::time::Clock;
use mesh_runtime::SystemClock;
use mesh_test::pki::{Authority, Certified, Defect, to_pem};

/// The DNS name in every leaf, beside its SPIFFE ID: some peers can check nothing else.
pub(crate) const NAME: &str = "example.com";

/// A folder with `ca.pem` and, for `client` and `server`, chain, key and both in one file.
#[derive(Debug, Clone)]
pub(crate) struct Certificates(PathBuf);

impl Certificates {
    /// Makes them.
    pub(crate) fn write(folder: &Path) -> Result<Self> {
        let authority = Authority::root("cluster.local", SystemClock.wall());
        std::fs::write(folder.join("ca.pem"), authority.pem())?;
        for name in ["client", "server"] {
            let id = format!("spiffe://cluster.local/ns/default/sa/{name}");
            let leaf = authority.defective(&id, Defect::WithDnsName);
            write(folder, name, &leaf)?;
        }
        Ok(Self(folder.to_owned()))
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.0
    }

    /// The root.
    pub(crate) fn ca(&self) -> String {
        self.path("ca.pem")
    }

    /// The chain of `client` or `server`.
    pub(crate) fn chain(&self, name: &str) -> String {
        self.path(&format!("{name}.pem"))
    }

    /// The key of `client` or `server`.
    pub(crate) fn key(&self, name: &str) -> String {
        self.path(&format!("{name}.key"))
    }

    /// Chain and key of `client` or `server`.
    pub(crate) fn both(&self, name: &str) -> String {
        self.path(&format!("{name}.both.pem"))
    }

    fn path(&self, file: &str) -> String {
        self.0.join(file).to_string_lossy().into_owned()
    }
}

/// Writes a leaf as `<name>.pem`, `<name>.key` and `<name>.both.pem`.
pub(crate) fn write(folder: &Path, name: &str, leaf: &Certified) -> Result<()> {
    let blocks = leaf.chain.iter().map(|der| to_pem("CERTIFICATE", der));
    let chain: String = blocks.collect();
    std::fs::write(folder.join(format!("{name}.pem")), &chain)?;
    std::fs::write(folder.join(format!("{name}.key")), &leaf.key_pem)?;
    let both = format!("{chain}{}", leaf.key_pem);
    std::fs::write(folder.join(format!("{name}.both.pem")), both)?;
    Ok(())
}
