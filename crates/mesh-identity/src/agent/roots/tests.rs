use std::fs;

use mesh_model::ident::{ServiceAccount, TrustDomain};
use mesh_test::clock;
use mesh_test::pki::Authority;
use tempfile::TempDir;

use super::*;

fn settings(folder: &TempDir) -> IdentitySettings {
    IdentitySettings {
        trust_domain: TrustDomain::parse("cluster.local").unwrap(),
        account: ServiceAccount::new("default", "a").unwrap(),
        mesh_namespace: "istio-system".into(),
        ca_address: "127.0.0.1:1".into(),
        ca_root: folder.path().join("root-cert.pem"),
        token_file: folder.path().join("a.token"),
    }
}

/// Puts a file in place as its writers do, by rename.
fn put(settings: &IdentitySettings, text: &str) {
    let staged = settings.ca_root.with_extension("staged");
    fs::write(&staged, text).unwrap();
    fs::rename(staged, &settings.ca_root).unwrap();
}

fn root() -> String {
    Authority::root("cluster.local", clock::now()).pem()
}

#[test]
fn a_file_that_is_not_there_yet_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = RootFile::new(&settings(&folder));
    let error = file.read().unwrap_err().to_string();
    assert!(error.contains("root-cert.pem"), "{error}");
}

#[test]
fn a_changed_file_is_read_once() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(&folder);
    let (one, two) = (root(), root());
    put(&settings, &one);
    let mut file = RootFile::new(&settings);
    assert_eq!(file.read().unwrap().to_pem(), one);
    assert_eq!(file.read_if_changed().unwrap(), None);
    put(&settings, &(one.clone() + &two));
    let changed = file.read_if_changed().unwrap().unwrap();
    assert_eq!(changed.to_pem(), one + &two);
    assert_eq!(file.read_if_changed().unwrap(), None);
}

#[test]
fn a_file_that_was_written_again_with_the_same_roots_is_no_change() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(&folder);
    let pem = root();
    put(&settings, &pem);
    let mut file = RootFile::new(&settings);
    file.read().unwrap();
    put(&settings, &format!("# again\n{pem}"));
    assert_eq!(file.read_if_changed().unwrap(), None);
}

#[test]
fn a_damaged_file_is_told_once_and_the_last_good_roots_hold() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(&folder);
    let pem = root();
    put(&settings, &pem);
    let mut file = RootFile::new(&settings);
    file.read().unwrap();
    put(&settings, "nothing");
    assert!(file.read_if_changed().is_err());
    assert_eq!(file.read_if_changed().unwrap(), None);
    assert_eq!(file.read().unwrap().to_pem(), pem);
    fs::remove_file(&settings.ca_root).unwrap();
    assert_eq!(file.read().unwrap().to_pem(), pem);
}
