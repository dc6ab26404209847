//! Every sample of this repository is valid, alone and together.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::path::{Path, PathBuf};

use mesh_api::validate::references::check_references_in;
use mesh_api::{ResourceSet, decode};

fn manifests(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(manifests(&path));
        } else if path
            .extension()
            .is_some_and(|extension| extension == "yaml")
        {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn every_sample_is_valid() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples");
    let files = manifests(&samples);
    assert!(files.len() > 10, "{files:?}");
    let base: Vec<_> = files
        .iter()
        .filter(|path| {
            path.ends_with("bookinfo.yaml") || path.ends_with("destination-rule-all.yaml")
        })
        .collect();
    for file in &files {
        let others = base.iter().copied().filter(|path| *path != file);
        let mut objects = Vec::new();
        for path in others.chain([file]) {
            let text = std::fs::read_to_string(path).unwrap();
            let (here, found) = decode::objects(&path.display().to_string(), &text);
            assert_eq!(found, [], "{}", path.display());
            objects.extend(here);
        }
        let (set, found) = ResourceSet::build(objects);
        assert_eq!(found, [], "{}", file.display());
        let found = check_references_in(&set, "cluster.local", |_| true);
        // The ingress gateway's pod is not among the samples.
        let found: Vec<String> = found
            .iter()
            .filter(|diagnostic| diagnostic.code != "IST0127")
            .map(|diagnostic| diagnostic.to_string())
            .filter(|text| !text.contains("there is no gateway"))
            .collect();
        assert_eq!(found, [""; 0], "{}", file.display());
    }
}
