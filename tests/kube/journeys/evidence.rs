//! What is kept of a journey that failed: objects, events, logs, and what the proxies had.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout};

use mesh_test::eventually;
use mesh_tests::mesh::binary;

use crate::measures::ELSEWHERE;
use crate::remote::fetch;
use crate::world::{Pod, World};

/// Kinds whose objects are kept.
const KINDS: &str = "nodes,namespaces,pods,services,endpointslices,deployments,replicasets,jobs,\
    mutatingwebhookconfigurations,validatingwebhookconfigurations,istio-io";
/// Pages of a proxy that are kept.
const PAGES: [&str; 4] = [
    "config_dump",
    "clusters?format=json",
    "certs",
    "stats/prometheus",
];

/// Keeps everything in a folder, which it gives.
pub(crate) fn gather(journey: &str, world: &World) -> PathBuf {
    let programs = binary("mesh-proxy");
    let target = programs.ancestors().nth(2).unwrap();
    let folder = target.join("kube-failures").join(journey);
    let _nothing_was_there = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let keep = |name: &str, arguments: &[&str]| {
        let output = world.cluster.run("kubectl", arguments);
        let text = [output.stdout, output.stderr].concat();
        let _best_effort = fs::write(folder.join(name), text);
    };
    keep("pods.txt", &["get", "pods", "-A", "-o", "wide"]);
    keep("objects.yaml", &["get", KINDS, "-A", "-o", "yaml"]);
    keep(
        "events.txt",
        &["get", "events", "-A", "--sort-by=.lastTimestamp"],
    );
    let logs = world.cluster.folder().join("log");
    for log in fs::read_dir(logs).into_iter().flatten().flatten() {
        let name = Path::new("node").join(log.file_name());
        copy(&log.path(), &folder.join(name));
    }
    for (namespace, pod) in pods(world) {
        let name = format!("{namespace}.{pod}");
        let logs = [
            "logs",
            &pod,
            "-n",
            &namespace,
            "--all-containers",
            "--prefix",
        ];
        keep(&format!("{name}.log"), &logs);
        keep(
            &format!("{name}.before.log"),
            &[&logs[..], &["--previous"]].concat(),
        );
        proxy(
            world,
            &folder,
            &Pod {
                namespace,
                name: pod,
                address: String::new(),
            },
        );
    }
    folder
}

fn pods(world: &World) -> Vec<(String, String)> {
    let columns = "custom-columns=A:.metadata.namespace,B:.metadata.name";
    // Those that only the API server has would be asked in vain, all of them.
    let real = format!("--field-selector=spec.nodeName!={ELSEWHERE}");
    let get = ["get", "pods", "-A", "--no-headers", &real, "-o", columns];
    let output = world.cluster.run("kubectl", &get);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let pairs = text
        .lines()
        .filter_map(|line| line.split_once(char::is_whitespace));
    pairs
        .map(|(one, other)| (one.to_owned(), other.trim().to_owned()))
        .collect()
}

fn proxy(world: &World, folder: &Path, pod: &Pod) {
    let Some(door) = Door::open(world, pod, 15000) else {
        return;
    };
    for page in PAGES {
        if let Ok((_, text)) = fetch(&format!("{}/{page}", door.url), &[]) {
            let page = page.split(['?', '/']).next().unwrap_or_default();
            let _best_effort = fs::write(
                folder.join(format!("{}.{}.{page}", pod.namespace, pod.name)),
                text,
            );
        }
    }
}

fn copy(from: &Path, to: &Path) {
    let _folder_is_there = fs::create_dir_all(to.parent().unwrap());
    let _best_effort = fs::copy(from, to);
}

/// A port of a pod's loopback, by `kubectl port-forward`.
#[derive(Debug)]
pub(crate) struct Door {
    /// Where it is on the machine.
    pub(crate) url: String,
    forwarder: Child,
    /// Whom nobody listens to any more ends.
    said: Option<BufReader<ChildStdout>>,
}

impl Door {
    /// Opens one of a pod that has it.
    #[track_caller]
    pub(crate) fn to(world: &World, pod: &Pod, port: u16) -> Self {
        eventually("a port of a pod", || {
            Self::open(world, pod, port).ok_or_else(|| format!("{port} of {pod:?}"))
        })
    }

    /// Opens one, if there is a port and a pod.
    pub(crate) fn open(world: &World, pod: &Pod, port: u16) -> Option<Self> {
        let (name, ports) = (format!("pod/{}", pod.name), format!(":{port}"));
        let forward = ["port-forward", "-n", &pod.namespace, &name, &ports];
        let mut door = Self {
            url: String::new(),
            forwarder: world.cluster.beside(&forward),
            said: None,
        };
        let said = door.forwarder.stdout.take()?;
        let said = door.said.insert(BufReader::new(said));
        let mut line = String::new();
        said.read_line(&mut line).ok()?;
        // Forwarding from 127.0.0.1:41235 -> 15000
        let address = line.strip_prefix("Forwarding from ")?.split(' ').next();
        door.url = format!("http://{}", address?);
        Some(door)
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        let _ended_already = self.forwarder.kill();
        let _ended = self.forwarder.wait();
    }
}
