//! A running mesh, and the hands of a user on it.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use mesh_model::time::Clock;
use mesh_runtime::SystemClock;
use mesh_test::eventually;
use mesh_test::eventually::DEADLINE;
use mesh_test::pki::Authority;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::status::Status;

/// What to start.
#[derive(Debug, Default, Clone)]
pub struct Setup {
    sources: Vec<PathBuf>,
    settings: Vec<String>,
    namespaces: bool,
    apart: bool,
}

impl Setup {
    /// Bookinfo, as `make demo` runs it.
    #[must_use]
    pub fn bookinfo() -> Self {
        Self::default().source(samples().join("bookinfo"))
    }

    /// Adds a file or folder (`-f`).
    #[must_use]
    pub fn source(mut self, path: impl Into<PathBuf>) -> Self {
        self.sources.push(path.into());
        self
    }

    /// Adds a setting (`--set`).
    #[must_use]
    pub fn set(mut self, setting: &str) -> Self {
        self.settings.push(setting.to_owned());
        self
    }

    /// With a network namespace for each workload (`--network namespaces`), which needs root.
    #[must_use]
    pub fn in_namespaces(mut self) -> Self {
        self.namespaces = true;
        self
    }

    /// In a group of processes of its own, so that Ctrl-C ends it only when we do.
    #[must_use]
    pub fn apart(mut self) -> Self {
        self.apart = true;
        self
    }

    /// Starts it and waits until everything is ready.
    #[track_caller]
    #[must_use]
    pub fn up(self) -> Mesh {
        let state = TempDir::new().expect("a folder for the state");
        let mut command = Command::new(binary("meshctl"));
        command
            .arg("up")
            .arg("--state")
            .arg(state.path())
            .args(["-o", "json"]);
        for source in &self.sources {
            command.arg("-f").arg(source);
        }
        for setting in &self.settings {
            command.arg("--set").arg(setting);
        }
        if self.namespaces {
            command.args(["--network", "namespaces"]);
        }
        if self.apart {
            command.process_group(0);
        }
        let errors = std::fs::File::create(state.path().with_extension("stderr"))
            .expect("a file for messages");
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn();
        let mut mesh = Mesh {
            state,
            supervisor: child.expect("meshctl starts"),
        };
        mesh.wait_until_up();
        mesh
    }
}

/// A running mesh; dropping it stops it.
#[derive(Debug)]
pub struct Mesh {
    state: TempDir,
    supervisor: Child,
}

impl Mesh {
    /// `up -o json` prints the status once everything is ready, and goes on.
    #[track_caller]
    fn wait_until_up(&mut self) {
        let mut output = self
            .supervisor
            .stdout
            .take()
            .expect("meshctl's output is ours");
        let (ready, heard) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let mut values =
                serde_json::Deserializer::from_reader(&mut output).into_iter::<Status>();
            let first = values.next().is_some_and(|value| value.is_ok());
            drop(values);
            let _nobody_waits = ready.send(first);
            let _drained = output.read_to_end(&mut Vec::new());
        });
        let up = heard.recv_timeout(DEADLINE).unwrap_or(false);
        assert!(up, "the mesh did not come up:\n{}", self.messages());
    }

    /// What meshctl said on standard error, with the ends of all logs.
    #[must_use]
    pub fn messages(&self) -> String {
        let mut text = read(&self.state.path().with_extension("stderr"));
        let Ok(logs) = std::fs::read_dir(self.state.path().join("logs")) else {
            return text;
        };
        for log in logs.flatten() {
            let content = read(&log.path());
            let lines: Vec<&str> = content.lines().collect();
            let tail = lines
                .get(lines.len().saturating_sub(8)..)
                .unwrap_or_default();
            text.push_str(&format!(
                "--- {}\n{}\n",
                log.path().display(),
                tail.join("\n")
            ));
        }
        text
    }

    /// The state folder.
    #[must_use]
    pub fn state(&self) -> &Path {
        self.state.path()
    }

    /// The process of `meshctl up`.
    #[must_use]
    pub fn supervisor_pid(&self) -> u32 {
        self.supervisor.id()
    }

    /// Runs meshctl on this mesh.
    #[track_caller]
    #[must_use]
    pub fn meshctl(&self, args: &[&str]) -> Output {
        let mut command = Command::new(binary("meshctl"));
        command
            .arg("--state")
            .arg(self.state.path())
            .args(args)
            .stdin(Stdio::null());
        command.output().expect("meshctl runs")
    }

    /// Runs meshctl, which must succeed, and gives what it printed.
    #[track_caller]
    pub fn meshctl_ok(&self, args: &[&str]) -> String {
        let output = self.meshctl(args);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "meshctl {args:?}: {}\n{text}{errors}",
            output.status
        );
        text
    }

    /// What runs now.
    #[track_caller]
    #[must_use]
    pub fn status(&self) -> Status {
        serde_json::from_str(&self.meshctl_ok(&["status", "-o", "json"]))
            .expect("the status is the contract's JSON")
    }

    /// URL of the hub's metrics of the whole mesh (docs/local-mesh.md).
    #[track_caller]
    #[must_use]
    pub fn hub_metrics(&self) -> String {
        format!("{}/metrics", self.hub())
    }

    /// URL of the hub's graph (docs/graph.md).
    #[track_caller]
    #[must_use]
    pub fn hub_graph(&self) -> String {
        format!("{}/graph", self.hub())
    }

    fn hub(&self) -> String {
        let admin = self.status().component("mixer").admin.clone();
        admin.replace(":15014", ":42422")
    }

    /// The mesh's own root, to make certificates that its proxies must judge.
    #[track_caller]
    #[must_use]
    pub fn authority(&self) -> Authority {
        let read = |name: &str| std::fs::read_to_string(self.state.path().join("ca").join(name));
        let (certificate, key) = (read("ca-cert.pem"), read("ca-key.pem"));
        let now = SystemClock.wall();
        Authority::load(&certificate.expect("the root"), &key.expect("its key"), now)
    }

    /// Waits until everything that runs is ready.
    #[track_caller]
    pub fn wait_until_ready(&self) {
        eventually("everything is ready", || {
            let status = self.status();
            let components = status
                .components
                .iter()
                .filter(|c| !c.ready)
                .map(|c| &c.name);
            let workloads = status
                .workloads
                .iter()
                .filter(|w| !w.ready)
                .map(|w| &w.name);
            let waiting: Vec<_> = components.chain(workloads).cloned().collect();
            if waiting.is_empty() {
                Ok(())
            } else {
                Err(waiting)
            }
        });
    }

    /// Applies a file of samples/bookinfo/networking, which is in force when this returns.
    #[track_caller]
    pub fn apply_sample(&self, name: &str) -> String {
        let file = samples().join("bookinfo/networking").join(name);
        self.meshctl_ok(&["apply", "-f", &file.to_string_lossy()])
    }

    /// Applies YAML, which is in force when this returns.
    #[track_caller]
    pub fn apply(&self, yaml: &str) -> String {
        let file = self.file(yaml);
        self.meshctl_ok(&["apply", "-f", &file.to_string_lossy()])
    }

    /// Applies YAML and gives what came of it.
    #[track_caller]
    #[must_use]
    pub fn try_apply(&self, yaml: &str, flags: &[&str]) -> Output {
        let file = self.file(yaml);
        let path = file.to_string_lossy().into_owned();
        let mut args = vec!["apply", "-f", &path];
        args.extend(flags);
        self.meshctl(&args)
    }

    /// A file outside the state folder with this text.
    #[track_caller]
    fn file(&self, text: &str) -> PathBuf {
        let file = self.state.path().with_extension("yaml");
        std::fs::write(&file, text).expect("the file is written");
        file
    }

    /// Asks the supervisor to stop, as Ctrl-C does, and gives its exit code.
    #[track_caller]
    pub fn interrupt(mut self) -> Option<i32> {
        self.end(Signal::INT)
    }

    /// Kills the supervisor outright.
    #[track_caller]
    pub fn kill(&mut self) {
        self.supervisor.kill().expect("the supervisor is there");
        self.supervisor.wait().expect("the supervisor ends");
    }

    fn end(&mut self, signal: Signal) -> Option<i32> {
        if let Ok(Some(status)) = self.supervisor.try_wait() {
            return status.code();
        }
        let pid = i32::try_from(self.supervisor.id())
            .ok()
            .and_then(Pid::from_raw);
        if let Some(pid) = pid {
            let _gone_already = kill_process(pid, signal);
        }
        let ended = || match self.supervisor.try_wait() {
            Ok(Some(status)) => Ok(status.code()),
            other => Err(format!("{other:?}")),
        };
        eventually("meshctl ends", ended)
    }
}

impl Drop for Mesh {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // What the processes said is what one wants to read beside a failed assertion.
            std::io::Write::write_all(&mut std::io::stderr(), self.messages().as_bytes()).ok();
            self.supervisor.kill().ok();
            self.supervisor.wait().ok();
        } else {
            self.end(Signal::TERM);
        }
        for extension in ["stderr", "yaml"] {
            std::fs::remove_file(self.state.path().with_extension(extension)).ok();
        }
    }
}

/// The folder of the samples.
#[must_use]
pub fn samples() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).join("samples")
}

/// A binary of the product, beside the test's own in the target folder.
#[track_caller]
#[must_use]
pub fn binary(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("the test knows its own path");
    let folder = own.ancestors().find(|folder| folder.join(name).is_file());
    folder
        .expect("the product is built: cargo build --release --workspace --bins")
        .join(name)
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}
