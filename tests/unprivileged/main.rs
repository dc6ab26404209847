//! The mesh runs for an ordinary user with an empty home. Needs root, to become that user.

use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use mesh_tests::mesh::{binary, samples};
use mesh_tests::{Status, fetch};
use tempfile::TempDir;

/// `nobody` on every Linux.
const NOBODY: u32 = 65534;

const PRODUCTS: [&str; 6] = [
    "meshctl",
    "mesh-citadel",
    "mesh-pilot",
    "mesh-mixer",
    "mesh-proxy",
    "bookinfo",
];

/// Copies what the user needs to where the user may read it.
fn install(home: &Path) {
    std::fs::create_dir(home.join("bin")).unwrap();
    for product in PRODUCTS {
        std::fs::copy(binary(product), home.join("bin").join(product)).unwrap();
    }
    let copied = Command::new("cp")
        .arg("-r")
        .arg(samples().join("bookinfo"))
        .arg(home.join("bookinfo"))
        .status();
    assert!(copied.unwrap().success());
    std::fs::create_dir(home.join("home")).unwrap();
    chown(home.join("home"), Some(NOBODY), Some(NOBODY)).unwrap();
    std::fs::set_permissions(home, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn as_nobody(home: &Path, args: &[&str]) -> Output {
    Command::new(home.join("bin/meshctl"))
        .args(args)
        .env_clear()
        .env("HOME", home.join("home"))
        .env("PATH", "/usr/bin:/bin")
        .current_dir(home.join("home"))
        .uid(NOBODY)
        .gid(NOBODY)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

#[tokio::test]
async fn an_ordinary_user_with_an_empty_home_runs_bookinfo() {
    let folder = TempDir::new().unwrap();
    install(folder.path());
    let bookinfo = folder
        .path()
        .join("bookinfo")
        .to_string_lossy()
        .into_owned();
    let up = as_nobody(
        folder.path(),
        &["up", "--detach", "-o", "json", "-f", &bookinfo],
    );
    assert!(
        up.status.success(),
        "{}",
        String::from_utf8_lossy(&up.stderr)
    );
    let status: Status = serde_json::from_slice(&up.stdout).unwrap();
    let (code, page) = fetch(&format!("{}/productpage", status.ingress.http), &[]).await;
    let down = as_nobody(folder.path(), &["down"]);
    assert!(
        down.status.success(),
        "{}",
        String::from_utf8_lossy(&down.stderr)
    );
    assert_eq!(code, 200);
    assert!(page.contains("The Comedy of Errors"), "{page}");
}
