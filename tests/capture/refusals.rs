//! Where it cannot be done: said clearly, with the way out, and soon.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

use crate::space::{Space, success};
use crate::world::{Backend, INJECTED, World, folder_of};
use mesh_tests::mesh::binary;
use tempfile::TempDir;

#[track_caller]
fn check_refused(output: &Output, code: i32, says: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    for words in says {
        assert!(said.contains(words), "{words:?} is not in:\n{said}");
    }
}

#[test]
fn without_programs_it_says_what_to_install() {
    let world = World::new(&[]);
    for flags in [INJECTED, &["--clean-up"]] {
        check_refused(
            &world.capture(flags),
            1,
            &[
                "error: nothing here can apply the rules: ",
                "iptables-nft-save: not installed",
                "nft: not installed",
                "hint: install iptables or nftables in the image",
            ],
        );
    }
}

#[test]
fn without_the_capability_it_says_which_one() {
    let world = World::new(&[]);
    let folder = folder_of(&Backend::ALL);
    let path = format!("PATH={}", folder.path().display());
    let mut command = world.pod.command("setpriv");
    command
        .args(["--bounding-set=-all", "--inh-caps=-all", "env", &path])
        .arg(binary("mesh-proxy"))
        .arg("capture")
        .args(INJECTED);
    check_refused(
        &command.output().unwrap(),
        1,
        &["hint: it must run as root with the capability NET_ADMIN"],
    );
}

#[test]
fn with_net_admin_alone_iptables_nft_and_nft_work() {
    for backend in [Backend::IptablesNft, Backend::Nft] {
        let world = World::new(&[]);
        let folder = folder_of(&[backend]);
        let path = format!("PATH={}", folder.path().display());
        let mut command = world.pod.command("setpriv");
        command
            .args(["--bounding-set=-all,+net_admin", "--inh-caps=-all"])
            .args(["env", &path])
            .arg(binary("mesh-proxy"))
            .arg("capture")
            .args(INJECTED);
        success(&command.output().unwrap());
        assert!(world.application("198.51.100.7:80").starts_with("outbound"));
    }
}

#[test]
fn an_ordinary_user_can_look_at_the_plan() {
    let (space, folder) = (Space::new(), TempDir::new().unwrap());
    let mut command = space.command("setpriv");
    command
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(readable(folder.path()))
        .args(["capture", "--dry-run"])
        .args(INJECTED);
    let printed = success(&command.output().unwrap());
    assert!(printed.contains("-A OUTPUT -j ISTIO_OUTPUT"), "{printed}");
}

#[test]
fn an_ordinary_user_can_capture_in_a_user_namespace() {
    let folder = TempDir::new().unwrap();
    let in_user_namespace = |backend: Backend| {
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .args(["unshare", "--user", "--map-root-user", "--net"])
            .arg(readable(folder.path()))
            .arg("capture")
            .args(INJECTED)
            .args(backend.flags());
        command.output().unwrap()
    };
    success(&in_user_namespace(Backend::Nft));
    check_refused(
        &in_user_namespace(Backend::IptablesNft),
        1,
        &["hint: -u and -g must be numbers that /proc/self/uid_map"],
    );
}

#[test]
fn a_program_that_hangs_is_ended() {
    let world = World::new(&[]);
    let folder = TempDir::new().unwrap();
    let program = folder.path().join("nft");
    std::fs::write(&program, "#!/bin/sh\nexec sleep 300\n").unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", folder.path().display());
    let flags = [INJECTED, &["--backend", "nft"]].concat();
    check_refused(
        &world.capture_with(&path, &flags),
        1,
        &["nft: not done within 10 s"],
    );
}

#[test]
fn wrong_options_are_named_with_the_way_out() {
    let world = World::new(&[]);
    let before = world.rules();
    for (flags, says) in [
        (
            ["-i", "10.0.0.0/33"],
            "error: -i \"10.0.0.0/33\": \"10.0.0.0/33\" is no CIDR\nhint: give CIDRs",
        ),
        (
            ["-b", "http"],
            "error: -b \"http\": \"http\" is no port\nhint: ports are numbers",
        ),
        (
            ["-p", "0"],
            "error: -p \"0\": \"0\" is no port\nhint: a port is a number",
        ),
        (
            ["-u", "root"],
            "error: -u \"root\": \"root\" is no number\nhint: users and groups",
        ),
        (["-m", "TPROXY"], "error: -m \"TPROXY\": "),
    ] {
        check_refused(&world.capture(&flags), 2, &[says]);
    }
    assert_eq!(world.rules(), before);
}

/// The proxy where every user may run it.
fn readable(folder: &std::path::Path) -> std::path::PathBuf {
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
    let copy = folder.join("mesh-proxy");
    std::fs::copy(binary("mesh-proxy"), &copy).unwrap();
    copy
}
