//! A cluster that is down leaves nothing on the machine.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use mesh_test::eventually;

use crate::cluster::{Cluster, success};
use crate::toolbox::{self, idle};

/// Settings of the kernel that a kubelet would change.
const SETTINGS: [&str; 6] = [
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
];

/// Where programs of a cluster write unless they are kept from it.
const FOLDERS: [&str; 13] = [
    "/etc/cni",
    "/etc/kubernetes",
    "/opt/cni",
    "/opt/containerd",
    "/run/containerd",
    "/run/runc",
    "/usr/libexec/kubernetes",
    "/var/lib/cni",
    "/var/lib/containerd",
    "/var/lib/kubelet",
    "/var/lib/kube-proxy",
    "/var/log/containers",
    "/var/log/pods",
];

#[test]
fn a_cluster_that_is_down_leaves_nothing() {
    let settings = kernel();
    let before = files();
    let cluster = Cluster::up();
    toolbox::pack(&cluster);
    cluster.namespace("traces");
    cluster.apply(&idle("traces", "idle"));
    cluster.wait("condition=Ready", &["pod/idle", "-n", "traces"]);
    let name = format!("mesh-cluster-{}", cluster.id());
    let link = format!("mesh-c{}", cluster.id());
    let folder = cluster.folder().to_owned();
    let processes = inhabitants(&name);
    assert!(processes.len() > 8, "components and a pod: {processes:?}");
    assert!(
        !control_groups(&name).is_empty(),
        "the pod's control groups"
    );

    drop(cluster);

    // They are dead by now; who inherited them may still have to read how they ended.
    eventually("its processes are gone", || {
        let there = |(process, what): &&(String, String)| name_of(Path::new(process)) == *what;
        let alive: Vec<_> = processes.iter().filter(there).collect();
        alive
            .is_empty()
            .then_some(())
            .ok_or_else(|| format!("{alive:?}"))
    });
    assert!(!folder.exists(), "its folder");
    assert!(!Path::new("/run/netns").join(&name).exists(), "its network");
    assert!(
        !Path::new("/sys/class/net").join(&link).exists(),
        "its link"
    );
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(&name), "its mounts: {mounts}");
    assert_eq!(control_groups(&name), BTreeSet::new());
    assert_eq!(kernel(), settings);
    let new: Vec<_> = files().difference(&before).cloned().collect();
    assert_eq!(new, Vec::<String>::new());
}

/// The processes in the PID namespace of a cluster's node, as the host sees them.
fn inhabitants(name: &str) -> Vec<(String, String)> {
    let network = Command::new("ip").args(["netns", "pids", name]).output();
    let network = success(&network.unwrap());
    let namespaces: BTreeSet<_> = network
        .split_whitespace()
        .filter_map(|pid| fs::read_link(format!("/proc/{pid}/ns/pid")).ok())
        .filter(|namespace| *namespace != fs::read_link("/proc/self/ns/pid").unwrap())
        .collect();
    let processes = fs::read_dir("/proc").unwrap().flatten();
    processes
        .map(|process| process.path())
        .filter(|process| !name_of(process).is_empty())
        .filter(|process| {
            fs::read_link(process.join("ns/pid")).is_ok_and(|pid| namespaces.contains(&pid))
        })
        .map(|process| {
            let what = name_of(&process);
            (process.to_string_lossy().into_owned(), what)
        })
        .collect()
}

/// The name of a process, or none when it has ended.
fn name_of(process: &Path) -> String {
    fs::read_to_string(process.join("comm")).unwrap_or_default()
}

fn control_groups(name: &str) -> BTreeSet<String> {
    let mut find = Command::new("find");
    find.args(["/sys/fs/cgroup", "-type", "d", "-path"]);
    let found = find.arg(format!("*/{name}*")).output().unwrap();
    let found = String::from_utf8_lossy(&found.stdout);
    found.lines().map(str::to_owned).collect()
}

fn kernel() -> Vec<String> {
    let read = |name| fs::read_to_string(Path::new("/proc/sys").join(name)).unwrap();
    SETTINGS.iter().map(read).collect()
}

/// The folders that are there, and what is in them.
fn files() -> BTreeSet<String> {
    let there = FOLDERS.iter().filter(|folder| Path::new(folder).exists());
    let listed = there.flat_map(|folder| {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let entries = entries.map(|entry| entry.path().to_string_lossy().into_owned());
        entries.chain([(*folder).to_owned()]).collect::<Vec<_>>()
    });
    listed.collect()
}
