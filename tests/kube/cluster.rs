//! A cluster that lives as long as its value, and the hands of an administrator on it.
//!
//! `cluster.sh hold` keeps it, and takes it down when its input is closed: by us, or by the kernel
//! when the test ends in whatever way. So nothing is left behind.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;

use mesh_tests::tools::tool;
use parking_lot::RwLock;
use serde_json::Value;

/// How long kubectl waits for what is to come.
const PATIENCE: &str = "--timeout=90s";

/// A running cluster.
pub(crate) struct Cluster {
    holder: Child,
    id: String,
    folder: PathBuf,
}

/// The cluster of all tests. To read is to work in a namespace of one's own; to write is to stop
/// and start its parts.
pub(crate) fn shared() -> &'static RwLock<Cluster> {
    static SHARED: OnceLock<RwLock<Cluster>> = OnceLock::new();
    SHARED.get_or_init(|| RwLock::new(Cluster::up()))
}

impl Cluster {
    /// Brings one up, whose number nobody else has.
    #[track_caller]
    pub(crate) fn up() -> Self {
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
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A program that was built for clusters.
    #[track_caller]
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        let folder = success(&self.run("programs", &[]));
        Path::new(folder.trim()).join(name)
    }

    /// Runs a verb of cluster.sh on it.
    pub(crate) fn run(&self, verb: &str, arguments: &[&str]) -> Output {
        self.command(verb, arguments).output().unwrap()
    }

    /// What kubectl prints.
    #[track_caller]
    pub(crate) fn kubectl(&self, arguments: &[&str]) -> String {
        success(&self.run("kubectl", arguments))
    }

    /// An object, as the API has it.
    #[track_caller]
    pub(crate) fn object(&self, arguments: &[&str]) -> Value {
        let text = self.kubectl(&[&["get", "-o", "json"], arguments].concat());
        serde_json::from_str(&text).unwrap()
    }

    /// Applies an object.
    #[track_caller]
    pub(crate) fn apply(&self, object: &Value) {
        let mut command = self.command("kubectl", &["apply", "-f", "-"]);
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::null());
        let mut kubectl = piped.stderr(Stdio::piped()).spawn().unwrap();
        let mut input = kubectl.stdin.take().unwrap();
        input.write_all(object.to_string().as_bytes()).unwrap();
        drop(input);
        success(&kubectl.wait_with_output().unwrap());
    }

    /// Waits until something is so, by a watch.
    #[track_caller]
    pub(crate) fn wait(&self, condition: &str, arguments: &[&str]) {
        let condition = format!("--for={condition}");
        let wait = ["wait", condition.as_str(), PATIENCE];
        self.kubectl(&[&wait, arguments].concat());
    }

    /// Makes a namespace whose pods may start.
    #[track_caller]
    pub(crate) fn namespace(&self, name: &str) {
        self.kubectl(&["create", "namespace", name]);
        self.wait("create", &["serviceaccount/default", "-n", name]);
    }

    /// Packs a folder as an image and imports it.
    #[track_caller]
    pub(crate) fn image(&self, name: &str, folder: &Path, entrypoint: &str) {
        let folder = folder.to_str().unwrap();
        success(&self.run("image", &[name, folder, entrypoint]));
    }

    /// Kills a component.
    #[track_caller]
    pub(crate) fn stop(&self, component: &str) {
        success(&self.run("stop", &[component]));
    }

    /// Revives a component.
    #[track_caller]
    pub(crate) fn start(&self, component: &str) {
        success(&self.run("start", &[component]));
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
#[track_caller]
pub(crate) fn success(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}
