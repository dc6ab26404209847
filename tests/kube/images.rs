//! The images: programs that run in what was packed, and a cluster that takes the archives.

use std::path::Path;
use std::process::Command;

use mesh_tests::mesh::binary;
use serde_json::json;
use tempfile::TempDir;

use crate::cluster::{shared, success};

/// Packs every image of the programs that are built.
#[track_caller]
fn packed() -> TempDir {
    let folder = TempDir::new().unwrap();
    let mut xtask = Command::new(binary("xtask"));
    let images = xtask.args([
        "images",
        "--built",
        "--hub",
        "localhost/mesh",
        "--tag",
        "test",
        "--out",
    ]);
    success(&images.arg(folder.path()).output().unwrap());
    folder
}

/// Runs a program with a folder as its whole file system.
#[track_caller]
fn inside(root: &Path, program: &[&str]) -> String {
    let mut chroot = Command::new("chroot");
    let chroot = chroot.arg(root).args(program).env_clear();
    success(
        &chroot
            .env("PATH", "/usr/local/bin:/usr/sbin:/usr/bin")
            .output()
            .unwrap(),
    )
}

#[test]
fn programs_run_with_nothing_but_what_their_image_has() {
    let images = packed();
    for name in ["mesh-citadel", "mesh-mixer", "mesh-pilot", "mesh-proxy"] {
        let version = inside(&images.path().join(name), &[name, "--version"]);
        assert!(version.starts_with(&format!("{name} ")), "{version}");
    }
    inside(&images.path().join("meshctl"), &["meshctl", "version"]);
    let proxy = images.path().join("mesh-proxy");
    for program in [
        "iptables",
        "ip6tables-nft-restore",
        "iptables-legacy-save",
        "ip6tables-legacy",
    ] {
        let version = inside(&proxy, &[program, "--version"]);
        assert!(version.contains(" v1."), "{program}: {version}");
    }
    let version = inside(&proxy, &["nft", "--version"]);
    assert!(version.starts_with("nftables v"), "{version}");
    // Its modules are found, too.
    let help = inside(
        &proxy,
        &["iptables", "-m", "owner", "-j", "REDIRECT", "--help"],
    );
    assert!(
        help.contains("--uid-owner") && help.contains("--to-ports"),
        "{help}"
    );
}

#[test]
fn images_are_the_same_bytes_every_time() {
    let (one, other) = (packed(), packed());
    for name in ["mesh-proxy.tar", "meshctl.tar"] {
        let read = |folder: &TempDir| std::fs::read(folder.path().join(name)).unwrap();
        assert!(read(&one) == read(&other), "{name}");
    }
}

#[test]
fn a_pod_runs_an_image_without_rights() {
    let cluster = shared().read();
    let images = packed();
    cluster.import(&images.path().join("mesh-pilot.tar"));
    cluster.namespace("images");
    cluster.apply(&json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "version", "namespace": "images"},
        "spec": {
            "restartPolicy": "Never",
            "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{
                "name": "pilot",
                "image": "localhost/mesh/mesh-pilot:test",
                "args": ["--version"],
                "securityContext": {
                    "allowPrivilegeEscalation": false,
                    "readOnlyRootFilesystem": true,
                    "capabilities": {"drop": ["ALL"]},
                },
            }],
        },
    }));
    let succeeded = "jsonpath={.status.phase}=Succeeded";
    cluster.wait(succeeded, &["pod/version", "-n", "images"]);
    let log = cluster.kubectl(&["logs", "version", "-n", "images"]);
    assert!(log.starts_with("mesh-pilot "), "{log}");
}
