//! `meshctl bug-report`: what the archive of a local mesh holds, what it never holds, and that a mesh that
//! is ill or gone still gives what it can.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use mesh_tests::{Mesh, Setup};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// An archive that was made and unpacked.
struct Report {
    output: Output,
    said: Value,
    _folder: TempDir,
    root: PathBuf,
}

impl Report {
    #[track_caller]
    fn of(mesh: &Mesh, args: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        let place = folder.path().to_str().unwrap();
        let own = ["bug-report", "-o", "json", "--output-dir", place];
        let output = mesh.meshctl(&[&own, args].concat());
        let said: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let Some(archive) = said["archive"].as_str() else {
            panic!("no archive: {}", String::from_utf8_lossy(&output.stderr));
        };
        let unpacked = Command::new("tar")
            .args(["-xzf", archive, "-C", place])
            .status();
        assert!(unpacked.unwrap().success());
        let root = archive.strip_suffix(".tar.gz").unwrap().into();
        Self {
            output,
            said,
            _folder: folder,
            root,
        }
    }

    #[track_caller]
    fn read(&self, path: &str) -> String {
        let text = std::fs::read_to_string(self.root.join(path));
        text.unwrap_or_else(|error| panic!("{path}: {error}; there are {:?}", self.files()))
    }

    fn has(&self, path: &str) -> bool {
        self.root.join(path).exists()
    }

    fn files(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        walk(&self.root, &mut found);
        found
    }

    fn missing(&self) -> Vec<&str> {
        let missing = self.said["missing"].as_array().unwrap();
        missing
            .iter()
            .filter_map(|one| one["file"].as_str())
            .collect()
    }
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        match entry.file_type().unwrap().is_dir() {
            true => walk(&entry.path(), found),
            false => found.push(entry.path()),
        }
    }
}

/// The tokens of a mesh, and the first line of each of its keys.
fn secrets(mesh: &Mesh) -> Vec<String> {
    let tokens = std::fs::read_dir(mesh.state().join("tokens")).unwrap();
    let tokens = tokens.flatten().map(|entry| entry.path());
    let tokens = tokens.filter(|path| path.extension().is_some_and(|end| end == "token"));
    let mut secrets: Vec<String> = tokens
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    let key = std::fs::read_to_string(mesh.state().join("ca/ca-key.pem")).unwrap();
    secrets.push(key.lines().nth(1).unwrap().to_owned());
    secrets
}

#[test]
fn a_report_holds_what_the_mesh_says_of_itself_and_none_of_its_secrets() {
    let mesh = Setup::bookinfo().up();
    let report = Report::of(&mesh, &[]);
    let errors = String::from_utf8_lossy(&report.output.stderr);
    assert_eq!(report.output.status.code(), Some(0), "{errors}");
    assert!(errors.contains("√ proxies: "), "{errors}");
    assert_eq!(report.said["complete"], true);

    assert!(report.read("versions.json").contains("\"meshctl\""));
    assert!(
        report
            .read("analysis/check.txt")
            .contains("√ pilot is ready")
    );
    assert!(
        report
            .read("objects/services.yaml")
            .contains("name: reviews")
    );
    assert!(
        report
            .read("control-plane/pilot/syncz.json")
            .contains("productpage-v1-0")
    );
    assert!(report.has("control-plane/pilot/config_status.json"));
    assert!(report.has("control-plane/citadel/metrics.txt"));
    assert!(report.has("control-plane/mixer/graph.json"));
    assert!(report.has("control-plane/pilot/log.txt"));
    let folder = "proxies/default/productpage-v1-0";
    let dump: Value =
        serde_json::from_str(&report.read(&format!("{folder}/config_dump.json"))).unwrap();
    assert!(
        dump["configs"]
            .as_array()
            .is_some_and(|all| !all.is_empty())
    );
    for file in ["clusters.json", "certs.json", "stats.txt", "log.txt"] {
        assert!(report.has(&format!("{folder}/{file}")), "{file}");
    }
    assert!(report.has("proxies/istio-system/istio-ingressgateway/config_dump.json"));

    let secrets = secrets(&mesh);
    assert!(secrets.len() > 5);
    for path in report.files() {
        let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
        let told = secrets.iter().find(|secret| text.contains(*secret));
        assert!(told.is_none(), "{} tells a secret", path.display());
    }
}

#[test]
fn a_proxy_that_does_not_answer_is_named_and_all_else_is_there() {
    let mesh = Setup::bookinfo().up();
    let sidecar = mesh.status().workload("ratings-v1").sidecar_pid.unwrap();
    let sidecar = Pid::from_raw(sidecar).unwrap();
    kill_process(sidecar, Signal::STOP).unwrap();
    let report = Report::of(&mesh, &["deployment/ratings-v1", "details-v1-0"]);
    kill_process(sidecar, Signal::CONT).unwrap();

    let errors = String::from_utf8_lossy(&report.output.stderr);
    assert_eq!(report.output.status.code(), Some(1), "{errors}");
    let missing = report.missing();
    let dump = "proxies/default/ratings-v1-0/config_dump.json";
    assert!(missing.contains(&dump), "{missing:?}");
    assert!(report.read("missing.txt").contains(dump));
    assert!(report.has("proxies/default/ratings-v1-0/log.txt"));
    assert!(report.has("proxies/default/details-v1-0/config_dump.json"));
    assert!(!report.has("proxies/default/productpage-v1-0"));
}

#[test]
fn a_mesh_that_has_ended_still_gives_its_logs_and_objects() {
    let mesh = Setup::bookinfo().up();
    mesh.meshctl_ok(&["down"]);
    let report = Report::of(&mesh, &[]);
    assert_eq!(report.output.status.code(), Some(1));
    assert_eq!(report.missing(), ["control-plane and proxies"]);
    assert!(report.has("control-plane/pilot/log.txt"));
    assert!(report.has("proxies/reviews-v1-0/log.txt"));
}
