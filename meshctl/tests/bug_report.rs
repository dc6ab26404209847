//! `meshctl bug-report` of a mesh in a cluster, whose API server the test is: what is asked for, what is
//! kept, and what becomes of what is refused.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "these are tests"
)]

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::{Value, json};
use tempfile::TempDir;

/// What nobody may find in an archive.
const SECRET: &str = "hunter2";

/// A server that knows a pilot and a pod with a sidecar; it lets nobody see nodes, and forwards no ports.
struct Api {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Api {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let paths = asked.clone();
        // It ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let paths = paths.clone();
                std::thread::spawn(move || serve(stream, &paths));
            }
        });
        Self { port, asked }
    }

    fn report(&self, args: &[&str]) -> Report {
        let folder = TempDir::new().unwrap();
        let kubeconfig = folder.path().join("kubeconfig");
        let server = format!("http://127.0.0.1:{}", self.port);
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "x",
            "clusters": [{"name": "c", "cluster": {"server": server}}],
            "users": [{"name": "u", "user": {}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", "namespace": "shop"}}],
        });
        std::fs::write(&kubeconfig, config.to_string()).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_meshctl"))
            .args(["bug-report", "-o", "json", "--output-dir"])
            .arg(folder.path())
            .arg("--kubeconfig")
            .arg(&kubeconfig)
            .args(args)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        Report { output, folder }
    }
}

fn serve(stream: TcpStream, paths: &Mutex<Vec<String>>) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let mut to = stream;
    while let Some(Ok(first)) = lines.next() {
        while lines
            .next()
            .is_some_and(|line| line.is_ok_and(|line| !line.is_empty()))
        {}
        let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
        let (status, body) = answer(path.split('?').next().unwrap_or_default());
        paths.lock().push(path);
        let length = body.len();
        let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n\r\n{body}");
        if to.write_all(head.as_bytes()).is_err() {
            return;
        }
    }
}

fn answer(path: &str) -> (u16, String) {
    let list = |items: Vec<Value>| (200, json!({"kind": "List", "items": items}).to_string());
    let gone = || (404, json!({"kind": "Status"}).to_string());
    match path {
        "/version" => (200, json!({"gitVersion": "v1.36.0"}).to_string()),
        "/api/v1/pods" => list(vec![pilot(), web()]),
        "/api/v1/namespaces/istio-system/pods" => list(vec![pilot()]),
        "/api/v1/namespaces/shop/pods" => list(vec![web()]),
        "/apis/apps/v1/deployments" | "/apis/apps/v1/namespaces/istio-system/deployments" => {
            let meta = json!({"name": "istio-pilot", "namespace": "istio-system"});
            list(vec![json!({"metadata": meta})])
        }
        "/api/v1/nodes" => (403, json!({"kind": "Status"}).to_string()),
        "/apis/networking.istio.io/v1alpha3/virtualservices" => list(vec![
            json!({"metadata": {"name": "web", "namespace": "shop"}}),
        ]),
        path if path.ends_with("/log") => (200, format!("got token={SECRET}\n")),
        path if path.ends_with("/portforward") => (500, String::new()),
        path if path.contains("/configmaps/") => {
            let data = json!({"mesh": format!("password: {SECRET}\n")});
            (200, json!({"kind": "ConfigMap", "data": data}).to_string())
        }
        path if path.contains(".istio.io/") => gone(),
        _ => list(Vec::new()),
    }
}

fn pilot() -> Value {
    json!({
        "metadata": {"name": "istio-pilot-1", "namespace": "istio-system",
            "labels": {"istio": "pilot", "app.kubernetes.io/part-of": "mesh"}},
        "spec": {"containers": [{"name": "discovery", "image": "mesh/pilot:1"}]},
        "status": {"phase": "Running", "containerStatuses": [
            {"name": "discovery", "restartCount": 1, "state": {"running": {}}}]},
    })
}

fn web() -> Value {
    let runs = |name: &str| json!({"name": name, "restartCount": 0, "state": {"running": {}}});
    json!({
        "metadata": {"name": "web-7d-1", "namespace": "shop",
            "labels": {"pod-template-hash": "7d"}, "ownerReferences": [{"name": "web-7d"}]},
        "spec": {
            "initContainers": [{"name": "istio-proxy", "image": "mesh/proxy:1"}],
            "containers": [{"name": "app", "args": [format!("--pw={SECRET}")],
                "env": [{"name": "X", "value": SECRET}]}],
        },
        "status": {"phase": "Running", "initContainerStatuses": [runs("istio-proxy")],
            "containerStatuses": [runs("app")]},
    })
}

struct Report {
    output: Output,
    folder: TempDir,
}

impl Report {
    fn said(&self) -> Value {
        serde_json::from_slice(&self.output.stdout).unwrap()
    }

    /// What tar makes of the archive: paths without the first folder, or all contents.
    #[track_caller]
    fn tar(&self, flags: &str) -> String {
        let archive = self.said()["archive"].as_str().unwrap().to_owned();
        let output = Command::new("tar")
            .args([flags, &archive])
            .output()
            .unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    }

    fn paths(&self) -> Vec<String> {
        let paths = self.tar("-tzf");
        let paths = paths.lines().filter_map(|path| path.split_once('/'));
        paths.map(|(_, path)| path.to_owned()).collect()
    }

    fn missing(&self) -> Vec<String> {
        let said = self.said();
        let missing = said["missing"].as_array().unwrap().iter();
        missing
            .map(|one| one["file"].as_str().unwrap().to_owned())
            .collect()
    }
}

#[test]
fn what_is_granted_is_collected_and_what_is_not_is_named() {
    let api = Api::start();
    let report = api.report(&[]);
    assert_eq!(report.output.status.code(), Some(1));
    let paths = report.paths();
    for wanted in [
        "kubernetes.json",
        "analysis/check.txt",
        "objects/pods.yaml",
        // The kind has an older version in this cluster.
        "objects/virtualservices.networking.istio.io.yaml",
        "objects/istio-system/configmap-istio.yaml",
        "control-plane/istio-pilot-1/discovery.log",
        "control-plane/istio-pilot-1/discovery.previous.log",
        "proxies/shop/web-7d-1/istio-proxy.log",
        "missing.txt",
    ] {
        assert!(
            paths.iter().any(|path| path == wanted),
            "{wanted}: {paths:?}"
        );
    }
    let missing = report.missing();
    for wanted in [
        "objects/nodes.yaml",
        "control-plane/istio-pilot-1/syncz.json",
        "proxies/shop/web-7d-1/config_dump.json",
    ] {
        assert!(
            missing.iter().any(|path| path == wanted),
            "{wanted}: {missing:?}"
        );
    }
    // A kind that the cluster does not know is nothing that is missing.
    assert!(
        !missing.iter().any(|path| path.contains("istio.io")),
        "{missing:?}"
    );
}

#[test]
fn neither_secrets_nor_logs_of_applications_are_asked_for_and_no_password_is_kept() {
    let api = Api::start();
    let report = api.report(&[]);
    let contents = report.tar("-xzOf");
    assert!(contents.contains("got token=[redacted]"));
    assert!(!contents.contains(SECRET));
    let asked = api.asked.lock();
    let of_no_concern =
        |path: &&String| path.contains("/secrets") || path.contains("container=app");
    assert_eq!(asked.iter().find(of_no_concern), None);
}

#[test]
fn a_report_of_one_deployment_has_its_namespace_and_the_meshs() {
    let api = Api::start();
    let report = api.report(&["deployment/web"]);
    let paths = report.paths();
    let has = |wanted: &str| paths.iter().any(|path| path == wanted);
    assert!(has("objects/shop/pods.yaml") && has("objects/istio-system/pods.yaml"));
    assert!(has("proxies/shop/web-7d-1/istio-proxy.log"));

    let report = api.report(&["deployment/other"]);
    assert_eq!(report.output.status.code(), Some(1));
    let errors = String::from_utf8_lossy(&report.output.stderr);
    assert!(
        errors.contains("deployment/other: no such proxy"),
        "{errors}"
    );
    // No half of an archive is left.
    let left = std::fs::read_dir(report.folder.path()).unwrap().count();
    assert_eq!(left, 1, "the kubeconfig alone");
}

#[test]
fn of_a_namespace_without_a_mesh_there_is_no_report() {
    let api = Api::start();
    let report = api.report(&["-i", "nope"]);
    assert_eq!(report.output.status.code(), Some(3));
    let errors = String::from_utf8_lossy(&report.output.stderr);
    for words in [
        "error: there is no Deployment of mesh in namespace nope",
        "hint: there is a mesh in istio-system: -i istio-system",
    ] {
        assert!(errors.contains(words), "{words:?}: {errors}");
    }
    assert_eq!(std::fs::read_dir(report.folder.path()).unwrap().count(), 1);
}

#[test]
fn without_an_api_server_there_is_no_report() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = nobody.local_addr().unwrap().port();
    drop(nobody);
    let api = Api {
        port,
        asked: Arc::default(),
    };
    let report = api.report(&[]);
    assert_eq!(report.output.status.code(), Some(3));
    assert_eq!(std::fs::read_dir(report.folder.path()).unwrap().count(), 1);
}
