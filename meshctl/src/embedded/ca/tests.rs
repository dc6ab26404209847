use std::fs;

use super::*;

#[track_caller]
fn check(sets: &[String], want: &Path) {
    let sets = Sets::parse(sets).unwrap();
    assert_eq!(roots(Path::new("/state"), &sets).unwrap(), want);
}

#[test]
fn the_roots_are_where_the_ca_is() {
    check(&[], Path::new("/state/ca/root-cert.pem"));
    let folder = tempfile::tempdir().unwrap();
    let set = |path: &Path| format!("citadel.ca-dir={}", path.display());
    let given = [set(Path::new("/elsewhere")), set(folder.path())];
    check(&given, &folder.path().join("root-cert.pem"));
    fs::write(folder.path().join("ca.crt"), "").unwrap();
    check(&given, &folder.path().join("ca.crt"));
    fs::write(folder.path().join("ca-cert.pem"), "").unwrap();
    check(&given, &folder.path().join("root-cert.pem"));
    check(&given[..1], Path::new("/elsewhere/root-cert.pem"));
}
