//! A real Kubernetes that lives as long as its value, and the hands of an administrator on it.
//!
//! `kube/cluster/cluster.sh hold` keeps it, and takes it down when its input is closed: by us, or by
//! the kernel when the test ends in whatever way. So nothing is left behind.

#![expect(
    clippy::unwrap_used,
    reason = "a cluster that cannot be used fails its test"
)]

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use mesh_test::eventually;
use serde_json::{Value, json};

use crate::tools::tool;

/// How long kubectl waits for what is to come.
const PATIENCE: &str = "--timeout=90s";

/// A running cluster.
#[derive(Debug)]
pub struct Cluster {
    holder: Child,
    id: String,
    folder: PathBuf,
}

impl Cluster {
    /// Brings one up, whose number nobody else has.
    #[track_caller]
    #[must_use]
    pub fn up() -> Self {
        let mut holder = script("hold")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Ctrl-C ends the test; the closed input then ends the cluster in order.
            .process_group(0)
            .spawn()
            .expect("bash");
        let mut said = String::new();
        let output = holder.stdout.take().unwrap();
        BufReader::new(output).read_line(&mut said).unwrap();
        let mut words = said.split_whitespace();
        assert_eq!(words.next(), Some("ready"), "the cluster came up: {said:?}");
        let (id, folder) = (words.next().unwrap(), words.next().unwrap());
        Self {
            id: id.to_owned(),
            folder: folder.into(),
            holder,
        }
    }

    /// Its number, which is in the names of all that it has on the machine.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its folder on the machine.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A program that was built for clusters.
    #[track_caller]
    #[must_use]
    pub fn program(&self, name: &str) -> PathBuf {
        let folder = success(&self.run("programs", &[]));
        Path::new(folder.trim()).join(name)
    }

    /// Runs a verb of cluster.sh on it.
    #[track_caller]
    #[must_use]
    pub fn run(&self, verb: &str, arguments: &[&str]) -> Output {
        self.command(verb, arguments).output().unwrap()
    }

    /// What kubectl prints.
    #[track_caller]
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        success(&self.run("kubectl", arguments))
    }

    /// An object, as the API has it.
    #[track_caller]
    #[must_use]
    pub fn object(&self, arguments: &[&str]) -> Value {
        let text = self.kubectl(&[&["get", "-o", "json"], arguments].concat());
        serde_json::from_str(&text).unwrap()
    }

    /// Applies an object.
    #[track_caller]
    pub fn apply(&self, object: &Value) {
        success(&self.fed(&["apply", "-f", "-"], &object.to_string()));
    }

    /// Applies YAML in a namespace.
    #[track_caller]
    pub fn apply_in(&self, namespace: &str, yaml: &str) {
        success(&self.fed(&["apply", "-n", namespace, "-f", "-"], yaml));
    }

    /// Runs kubectl with text as its input.
    #[track_caller]
    #[must_use]
    pub fn fed(&self, arguments: &[&str], text: &str) -> Output {
        let mut command = self.command("kubectl", arguments);
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut kubectl = piped.stderr(Stdio::piped()).spawn().unwrap();
        let mut input = kubectl.stdin.take().unwrap();
        // Who errs early reads nothing; what came of it says its status.
        let _unread = input.write_all(text.as_bytes());
        drop(input);
        kubectl.wait_with_output().unwrap()
    }

    /// Runs kubectl beside the test.
    #[track_caller]
    #[must_use]
    pub fn beside(&self, arguments: &[&str]) -> Child {
        let mut command = self.command("kubectl", arguments);
        let piped = command.stdout(Stdio::piped()).stderr(Stdio::null());
        piped.spawn().unwrap()
    }

    /// Waits until something is so, by a watch.
    #[track_caller]
    pub fn wait(&self, condition: &str, arguments: &[&str]) {
        let condition = format!("--for={condition}");
        let wait = ["wait", condition.as_str(), PATIENCE];
        self.kubectl(&[&wait, arguments].concat());
    }

    /// Makes a namespace whose pods may start.
    #[track_caller]
    pub fn namespace(&self, name: &str) {
        self.labelled(name, &json!({}));
    }

    /// Makes one that never was without these labels: those of the API server's parts that ask for them
    /// remember for a moment what was before.
    #[track_caller]
    pub fn labelled(&self, name: &str, labels: &Value) {
        self.apply(&json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": name, "labels": labels},
        }));
        self.wait("create", &["serviceaccount/default", "-n", name]);
    }

    /// Waits until the kinds of the mesh are served, which is a moment after they are established;
    /// how many there are.
    #[track_caller]
    pub fn defined(&self) -> usize {
        let all = ["crd", "-l", "app.kubernetes.io/part-of=mesh"];
        let established = "jsonpath={.status.conditions[?(@.type==\"Established\")].status}=True";
        self.wait(established, &all);
        let names = self.kubectl(&[&["get", "-o", "name"], &all[..]].concat());
        let names = names.lines().filter_map(|line| line.split('/').nth(1));
        let names: Vec<&str> = names.collect();
        eventually("the kinds are served", || {
            let asked = self.run("kubectl", &["api-resources", "-o", "name"]);
            let served = String::from_utf8_lossy(&asked.stdout);
            let missing = |name: &&&str| !served.lines().any(|line| line == **name);
            let missing: Vec<_> = names.iter().filter(missing).collect();
            let complete = asked.status.success() && missing.is_empty();
            complete.then_some(()).ok_or_else(|| format!("{missing:?}"))
        });
        names.len()
    }

    /// Packs a folder as an image and imports it.
    #[track_caller]
    pub fn image(&self, name: &str, folder: &Path, entrypoint: &[&str]) {
        self.image_with(name, folder, entrypoint, "");
    }

    /// As [`Cluster::image`], with variables: `NAME=VALUE NAME=VALUE`.
    #[track_caller]
    pub fn image_with(&self, name: &str, folder: &Path, entrypoint: &[&str], variables: &str) {
        let arguments = [&[name, folder.to_str().unwrap()], entrypoint].concat();
        let mut command = self.command("image", &arguments);
        success(&command.env("IMAGE_ENV", variables).output().unwrap());
    }

    /// Imports an archive of an image.
    #[track_caller]
    pub fn import(&self, archive: &Path) {
        let archive = archive.to_str().unwrap();
        success(&self.run("ctr", &["images", "import", archive]));
    }

    /// Kills a component.
    #[track_caller]
    pub fn stop(&self, component: &str) {
        success(&self.run("stop", &[component]));
    }

    /// Revives a component.
    #[track_caller]
    pub fn start(&self, component: &str) {
        success(&self.run("start", &[component]));
    }

    /// Revives kube-proxy in another mode: `iptables`, `nftables`.
    #[track_caller]
    pub fn start_proxy(&self, mode: &str) {
        let mut command = self.command("start", &["proxy"]);
        success(&command.env("PROXY_MODE", mode).output().unwrap());
    }

    fn command(&self, verb: &str, arguments: &[&str]) -> Command {
        let mut command = script(verb);
        command
            .args(arguments)
            .env("CLUSTER_ID", &self.id)
            .env("CLUSTER", &self.folder)
            .stdin(Stdio::null());
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.holder.stdin.take());
        let _ended = self.holder.wait();
    }
}

fn script(verb: &str) -> Command {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(here.join("kube/cluster/cluster.sh"));
    command.arg(verb).env("CLUSTER_TOOLS", tool("kube"));
    command
}

/// What a program printed, when it succeeded.
///
/// # Panics
/// When it did not, with what it complained of.
#[track_caller]
pub fn success(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}
