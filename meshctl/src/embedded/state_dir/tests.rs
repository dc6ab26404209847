use std::os::unix::fs::PermissionsExt;

use super::{StateDir, object_file};

fn mk_dir(root: &std::path::Path) -> StateDir {
    StateDir::locate(Some(root)).unwrap()
}

#[test]
fn a_new_folder_is_made_for_its_owner_alone_and_held_once() {
    let parent = tempfile::tempdir().unwrap();
    let root = parent.path().join("a/mesh");
    let held = mk_dir(&root).hold().unwrap();
    let mode = std::fs::metadata(&root).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o700);
    assert!(root.join("tokens/accepted").is_dir());
    let refused = mk_dir(&root).hold().unwrap_err();
    assert!(
        refused.error.starts_with("a mesh is running in "),
        "{refused}"
    );
    drop(held);
    assert!(mk_dir(&root).hold().is_ok(), "a stale lock is no lock");
}

#[test]
fn a_folder_of_somebody_else_is_refused_and_left_alone() {
    let parent = tempfile::tempdir().unwrap();
    std::fs::write(parent.path().join("letter.txt"), "dear").unwrap();
    let refused = mk_dir(parent.path()).hold().unwrap_err();
    assert!(
        refused
            .error
            .contains("it holds \"letter.txt\" but no mesh.json"),
        "{refused}"
    );
    assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 1);
}

#[test]
fn a_folder_of_a_newer_version_is_refused() {
    let parent = tempfile::tempdir().unwrap();
    std::fs::write(parent.path().join("mesh.json"), r#"{"version": 2}"#).unwrap();
    let refused = mk_dir(parent.path()).hold().unwrap_err();
    assert!(
        refused
            .error
            .ends_with("has version 2, this meshctl knows version 1"),
        "{refused}"
    );
}

#[test]
fn objects_have_one_file_each() {
    assert_eq!(
        object_file("VirtualService", "default", "Reviews"),
        "virtualservice.default.reviews.yaml"
    );
    assert_eq!(
        object_file("Namespace", "", "default"),
        "namespace.default.yaml"
    );
}
