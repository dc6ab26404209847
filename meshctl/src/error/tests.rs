use std::os::unix::fs::PermissionsExt;

use super::*;

#[test]
fn a_missing_permission_is_explained_by_the_owner() {
    let folder = tempfile::tempdir().unwrap();
    let private = std::fs::Permissions::from_mode(0o700);
    std::fs::set_permissions(folder.path(), private).unwrap();
    let denied = std::io::Error::from(ErrorKind::PermissionDenied);
    let path = folder.path().join("below/mesh.json");
    let error = at_path(&path, &denied);
    assert_eq!(
        error.error,
        format!("{}: permission denied", path.display())
    );
    let you = rustix::process::geteuid().as_raw();
    let hint = format!(
        "{} belongs to user {you} (mode 0700), you are user {you}: \
         be its owner, or name another path",
        folder.path().display()
    );
    assert_eq!(error.hints, [hint]);
}

#[test]
fn other_errors_of_files_need_no_hint() {
    let missing = std::io::Error::from(ErrorKind::NotFound);
    let error = at_path(Path::new("x"), &missing);
    assert_eq!(
        error,
        CommandError::problem("x: there is no such file or folder")
    );
}
