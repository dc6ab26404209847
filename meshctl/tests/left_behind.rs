//! Nothing outlives its supervisor: the shim that ties a process to its parent, and the guard.
#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use mesh_test::eventually;

const MESHCTL: &str = env!("CARGO_BIN_EXE_meshctl");

/// The first line that a process prints: here, the number of another process.
fn first_line(child: &mut Child) -> u32 {
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    line.trim().parse().unwrap()
}

fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')')
        .next()
        .is_some_and(|rest| !rest.is_empty() && !rest.trim_start().starts_with('Z'))
}

/// Waits until a process has become `sleep`: while it does, it shows no environment.
#[track_caller]
fn sleeps(pid: u32) {
    let comm = || std::fs::read_to_string(format!("/proc/{pid}/comm"));
    eventually("the process sleeps", || match comm() {
        Ok(comm) if comm == "sleep\n" => Ok(()),
        other => Err(other),
    });
}

#[track_caller]
fn ends(pid: u32) {
    eventually("the process ends", || {
        if is_alive(pid) { Err(pid) } else { Ok(()) }
    });
}

#[test]
fn a_child_dies_with_a_parent_that_was_killed() {
    let script = format!("{MESHCTL} __child --parent=$$ -- sleep 1000 & echo $!; wait");
    let mut parent = Command::new("sh")
        .args(["-c", &script])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let child = first_line(&mut parent);
    sleeps(child);
    parent.kill().unwrap();
    parent.wait().unwrap();
    ends(child);
}

#[test]
fn a_child_whose_parent_is_gone_already_does_not_start() {
    let status = Command::new(MESHCTL)
        .args(["__child", "--parent=1", "--", "true"])
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(1));
}

#[test]
fn the_guard_kills_marked_descendants_that_left_their_group_and_nobody_else() {
    let run = format!("test-{}", std::process::id());
    let mut marked = Command::new("sh")
        .args(["-c", "setsid sleep 1000 & echo $!"])
        .env("MESH_RUN", &run)
        .stdout(Stdio::piped())
        .process_group(0)
        .spawn()
        .unwrap();
    let descendant = first_line(&mut marked);
    marked.wait().unwrap();
    let mut neighbour = Command::new("sleep")
        .arg("1000")
        .env("MESH_RUN", "another")
        .spawn()
        .unwrap();
    let mut guard = Command::new(MESHCTL)
        .args(["__guard", &run])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    sleeps(descendant);
    drop(guard.stdin.take());
    assert!(guard.wait().unwrap().success());
    ends(descendant);
    assert!(is_alive(neighbour.id()));
    neighbour.kill().unwrap();
    neighbour.wait().unwrap();
}
