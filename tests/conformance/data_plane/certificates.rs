//! Certificates of the mesh's own authority, as text and as files.

use std::path::Path;

use mesh_test::pki::to_pem;
use mesh_tests::Mesh;

use super::guest::Guest;

/// A pod's certificate with its key, and the roots of the mesh, in PEM.
pub(super) struct Certificates {
    pub(super) chain: String,
    pub(super) key: String,
    pub(super) roots: String,
    /// Paths of the files with these.
    pub(super) files: [String; 3],
}

impl Certificates {
    pub(super) fn write(mesh: &Mesh, guest: &Guest, folder: &Path) -> Self {
        let authority = mesh.authority();
        let leaf = authority.leaf(&guest.identity());
        let chain = leaf.chain.iter();
        let chain: String = chain.map(|one| to_pem("CERTIFICATE", one)).collect();
        let roots = authority.pem();
        let contents = [
            ("chain.pem", &chain),
            ("key.pem", &leaf.key_pem),
            ("roots.pem", &roots),
        ];
        let files = contents.map(|(name, content)| {
            let path = folder.join(name);
            std::fs::write(&path, content).unwrap();
            path.to_string_lossy().into_owned()
        });
        Self {
            chain,
            key: leaf.key_pem,
            roots,
            files,
        }
    }
}
