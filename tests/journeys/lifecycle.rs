//! Coming up and going down: nothing is started twice, nothing is left behind.

use std::path::Path;
use std::process::{Command, Stdio};

use mesh_test::eventually;
use mesh_tests::mesh::{binary, samples};
use mesh_tests::{Mesh, Setup, Status};
use tempfile::TempDir;

/// Every process that mentions the state folder or descends from one that does.
fn processes_of(state: &Path) -> Vec<i32> {
    let needle = state.to_string_lossy().into_owned();
    let mut table: Vec<(i32, i32, String)> = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<i32>() else {
            continue;
        };
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else {
            continue;
        };
        let after = stat.rsplit(')').next().unwrap_or_default();
        let mut words = after.split_whitespace();
        let (state, parent) = (
            words.next().unwrap_or_default(),
            words.next().unwrap_or_default(),
        );
        if state == "Z" {
            continue;
        }
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        table.push((
            pid,
            parent.parse().unwrap_or(0),
            String::from_utf8_lossy(&line).into_owned(),
        ));
    }
    let own = i32::try_from(std::process::id()).unwrap();
    table
        .iter()
        .filter(|(pid, _, line)| *pid != own && line.contains(&needle))
        .map(|(pid, ..)| *pid)
        .collect()
}

/// The processes that the status names.
fn named_in(status: &Status) -> Vec<i32> {
    let components = status
        .components
        .iter()
        .filter_map(|component| component.pid);
    let workloads = status
        .workloads
        .iter()
        .flat_map(|workload| [workload.pid, workload.sidecar_pid]);
    components.chain(workloads.flatten()).collect()
}

fn alive(pid: &i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')')
        .next()
        .is_some_and(|rest| !rest.is_empty() && !rest.trim_start().starts_with('Z'))
}

#[track_caller]
fn none_is_left(pids: &[i32], state: &Path) {
    eventually("every process is gone", || {
        let left: Vec<_> = pids.iter().filter(|pid| alive(pid)).collect();
        let others = processes_of(state);
        if left.is_empty() && others.is_empty() {
            Ok(())
        } else {
            Err(format!("{left:?} {others:?}"))
        }
    });
}

fn everybody(mesh: &Mesh) -> Vec<i32> {
    let pids = named_in(&mesh.status());
    assert!(pids.len() >= 4 + 2 * 6, "{pids:?}");
    assert!(pids.iter().all(alive), "{pids:?}");
    pids
}

#[test]
fn ctrl_c_stops_everything_that_was_started() {
    let mesh = Setup::bookinfo().up();
    let (pids, state) = (everybody(&mesh), mesh.state().to_owned());
    assert_eq!(mesh.interrupt(), Some(0));
    none_is_left(&pids, &state);
}

#[test]
fn killing_meshctl_outright_leaves_no_process_behind_and_its_folder_can_be_used_again() {
    let mut mesh = Setup::bookinfo().up();
    let (pids, state) = (everybody(&mesh), mesh.state().to_owned());
    mesh.kill();
    none_is_left(&pids, &state);

    let bookinfo = samples().join("bookinfo");
    let up = Command::new(binary("meshctl"))
        .args(["up", "--detach", "-o", "json", "--state"])
        .arg(&state)
        .arg("-f")
        .arg(&bookinfo)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(
        up.status.success(),
        "{}",
        String::from_utf8_lossy(&up.stderr)
    );
    let pids = named_in(&serde_json::from_slice(&up.stdout).unwrap());
    mesh.meshctl_ok(&["down"]);
    none_is_left(&pids, &state);
}

#[test]
fn one_folder_runs_one_mesh() {
    let mesh = Setup::bookinfo().up();
    let bookinfo = samples().join("bookinfo").to_string_lossy().into_owned();
    let second = mesh.meshctl(&["up", "-f", &bookinfo]);
    let text = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(1), "{text}");
    assert!(
        text.contains(&mesh.state().to_string_lossy().into_owned()),
        "{text}"
    );
    mesh.wait_until_ready();
}

#[test]
fn commands_without_a_mesh_say_that_there_is_none() {
    let empty = TempDir::new().unwrap();
    for verb in [
        &["status"][..],
        &["down"],
        &["stop", "pilot"],
        &["get", "virtualservice"],
    ] {
        let output = Command::new(binary("meshctl"))
            .arg("--state")
            .arg(empty.path())
            .args(verb)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(3), "{verb:?}: {text}");
        assert!(
            text.contains("meshctl up"),
            "{verb:?} does not say the way out: {text}"
        );
    }
}

#[test]
fn what_is_stopped_stays_down_until_it_is_started() {
    let mesh = Setup::bookinfo().up();
    let token = mesh.state().join("tokens/details-v1-0.token");
    let before = std::fs::read(&token).expect("the pod has a token");
    mesh.meshctl_ok(&["stop", "details-v1"]);
    assert!(!token.exists(), "its token is revoked");
    let stopped = mesh.status().workload("details").clone();
    assert!(!stopped.ready && stopped.pid.is_none(), "{stopped:?}");
    mesh.meshctl_ok(&["start", "details-v1"]);
    mesh.wait_until_ready();
    assert_ne!(std::fs::read(&token).expect("it has a new one"), before);
    assert!(
        mesh.meshctl_ok(&["logs", "details-v1", "--tail", "5"])
            .lines()
            .count()
            <= 10
    );
    let unknown = mesh.meshctl(&["stop", "detials-v1"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("details-v1"));
}
