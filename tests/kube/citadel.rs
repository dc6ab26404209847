//! Citadel against the real API server, with no more rights than its documentation says.
//!
//! It runs on the host by a kubeconfig of its service account. Who asks it for a certificate is
//! mixer, because that is all that mixer needs to be ready.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use mesh_test::eventually;
use mesh_tests::mesh::binary;
use mesh_tests::{Metrics, fetch};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cluster::Cluster;

/// What its service account may do, as the documentation has it.
const CERTIFICATES: &str = include_str!("../../docs/life-of-a-certificate.md");
/// Citadel's kubeconfig.
const CONFIG: &str = "citadel.conf";
const ROOTS: &str = "configmap/istio-ca-root-cert";

/// A process that ends with its value.
struct Process {
    child: Child,
    admin: SocketAddr,
}

impl Process {
    fn start(program: &str, arguments: &[String], log: &Path) -> Self {
        let admin = free();
        let log = fs::File::create(log).unwrap();
        let child = Command::new(binary(program))
            .args(arguments)
            .arg(format!("--admin={admin}"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        Self { child, admin }
    }

    fn page(&self, path: &str) -> Result<(u16, String), String> {
        let url = format!("http://{}{path}", self.admin);
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_all().build().unwrap();
        // A process that does not listen yet has no answer.
        let listens = std::net::TcpStream::connect(self.admin);
        listens.map_err(|error| error.to_string())?;
        Ok(runtime.block_on(fetch(&url, &[])))
    }

    #[track_caller]
    fn ready(&self) {
        eventually("it is ready", || match self.page("/readyz") {
            Ok((200, _)) => Ok(()),
            other => Err(other),
        });
    }

    /// How many tokens had this fate.
    fn reviewed(&self, result: &str) -> u64 {
        let (_, page) = self.page("/metrics").unwrap();
        let metrics = Metrics::parse(&page);
        metrics.sum("mesh_citadel_token_reviews_total", &[("result", result)])
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _ended = self.child.wait();
    }
}

/// An address that nobody listens on.
fn free() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

/// A cluster's citadel, and who asks it.
struct House<'a> {
    cluster: &'a Cluster,
    namespace: String,
    folder: TempDir,
}

impl<'a> House<'a> {
    /// A namespace with citadel's account and its rights.
    fn new(cluster: &'a Cluster, namespace: &str) -> Self {
        cluster.namespace(namespace);
        let account = json!({"name": "citadel", "namespace": namespace});
        cluster.apply(&json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account}));
        let house = Self {
            cluster,
            namespace: namespace.to_owned(),
            folder: TempDir::new().unwrap(),
        };
        let (everywhere, here) = rules();
        house.grant("Cluster", &everywhere);
        house.grant("", &here);
        house
    }

    fn grant(&self, scope: &str, rules: &str) {
        let name = &self.namespace;
        let place = match scope {
            "" => format!(", namespace: {name}"),
            _ => String::new(),
        };
        let metadata = format!("metadata: {{name: {name}-citadel{place}}}");
        let text = format!(
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: {scope}Role\n{metadata}\nrules:\n{rules}---\n\
             apiVersion: rbac.authorization.k8s.io/v1\nkind: {scope}RoleBinding\n{metadata}\n\
             roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: {scope}Role, name: {name}-citadel}}\n\
             subjects: [{{kind: ServiceAccount, name: citadel, namespace: {name}}}]\n"
        );
        let file = self.write("role.yaml", &text);
        self.cluster
            .kubectl(&["apply", "-f", file.to_str().unwrap()]);
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn token(&self, account: &str, audience: &str) -> String {
        let mut arguments = vec!["create", "token", account, "-n", &self.namespace];
        if !audience.is_empty() {
            arguments.extend(["--audience", audience]);
        }
        self.cluster.kubectl(&arguments).trim().to_owned()
    }

    /// Starts citadel as its service account.
    fn citadel(&self, address: SocketAddr, name: &str) -> Process {
        let view = ["config", "view", "--raw", "-o", "json"];
        let mut config: Value = serde_json::from_str(&self.cluster.kubectl(&view)).unwrap();
        let user = config.pointer_mut("/users/0/user").unwrap();
        *user = json!({"token": self.token("citadel", "")});
        self.write(CONFIG, &config.to_string());
        self.replica(address, name)
    }

    /// The same with the token that was used before.
    fn replica(&self, address: SocketAddr, name: &str) -> Process {
        let file = self.folder.path().join(CONFIG);
        let arguments = [
            format!("--address={address}"),
            format!("--kubeconfig={}", file.display()),
            format!("--namespace={}", self.namespace),
        ];
        let log = self.folder.path().join(format!("{name}.log"));
        Process::start("mesh-citadel", &arguments, &log)
    }

    /// Starts somebody who asks for a certificate as the account `default` with a token.
    fn caller(&self, citadel: SocketAddr, name: &str, proof: (&str, &str)) -> Process {
        let (roots, token) = proof;
        let token = self.write(&format!("{name}.token"), token);
        let roots = self.write("roots.pem", roots);
        let arguments = [
            format!("--address={}", free()),
            format!("--http={}", free()),
            format!("--namespace={}", self.namespace),
            format!("--mesh-namespace={}", self.namespace),
            "--service-account=default".to_owned(),
            format!("--ca-address={citadel}"),
            format!("--ca-root={}", roots.display()),
            format!("--token-file={}", token.display()),
        ];
        let log = self.folder.path().join(format!("{name}.log"));
        Process::start("mesh-mixer", &arguments, &log)
    }

    fn log(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(format!("{name}.log"))).unwrap()
    }

    /// The roots in a namespace, once they are there.
    #[track_caller]
    fn roots(&self, namespace: &str) -> String {
        let get = ["get", "-o", "json", ROOTS, "-n", namespace];
        let found = eventually("the roots", || {
            let asked = self.cluster.run("kubectl", &get);
            asked
                .status
                .success()
                .then(|| asked.stdout.clone())
                .ok_or(asked)
        });
        let found: Value = serde_json::from_slice(&found).unwrap();
        let text = |pointer| found.pointer(pointer).and_then(Value::as_str);
        assert_eq!(text("/metadata/labels/istio.io~1config"), Some("true"));
        text("/data/root-cert.pem").unwrap().to_owned()
    }
}

/// The rules of the documentation: everywhere, and in citadel's namespace.
fn rules() -> (String, String) {
    let (_, rules) = CERTIFICATES.split_once("    # ClusterRole\n").unwrap();
    let lines = rules.lines().take_while(|line| line.starts_with("    "));
    let rules: String = lines
        .map(|line| format!("{}\n", line.trim_start_matches("    ")))
        .collect();
    let (everywhere, here) = rules.split_once("# Role").unwrap();
    let (_, here) = here.split_once('\n').unwrap();
    (indented(everywhere), indented(here))
}

/// Lists as they stood in the document, whose indentation was taken off.
fn indented(rules: &str) -> String {
    let lines = rules.lines().map(|line| match line.starts_with("- ") {
        true => format!("{line}\n"),
        false => format!("  {}\n", line.trim_start()),
    });
    lines.collect()
}

#[test]
fn pods_get_certificates_by_their_tokens_and_namespaces_the_roots() {
    // Alone: the roots of two citadels would take turns in every namespace.
    let cluster = Cluster::up();
    let house = House::new(&cluster, "citadel");
    let address = free();
    let citadel = house.citadel(address, "citadel");
    citadel.ready();
    let kept = cluster.object(&["secret/istio-ca-secret", "-n", "citadel"]);
    assert_eq!(kept["type"], "istio.io/ca-root");
    let roots = house.roots("default");
    assert!(roots.starts_with("-----BEGIN CERTIFICATE-----"), "{roots}");

    publishes(&house, &roots);
    reviews(&house, &citadel, address, &roots);
    outlives_the_api_server(&house, &citadel, address, &roots);

    // However many replicas have started, the root is the one of the first.
    let after = cluster.object(&["secret/istio-ca-secret", "-n", "citadel"]);
    assert_eq!(after, kept);
}

/// Every namespace has the roots, one that comes later too, and again what was taken away.
fn publishes(house: &House<'_>, roots: &str) {
    let cluster = house.cluster;
    assert_eq!(house.roots("kube-system"), roots);
    let kept_out = ["get", ROOTS, "-n", "kube-public"];
    assert!(!cluster.run("kubectl", &kept_out).status.success());
    cluster.namespace("later");
    assert_eq!(house.roots("later"), roots);
    cluster.kubectl(&["delete", ROOTS, "-n", "later"]);
    assert_eq!(house.roots("later"), roots);
    let theirs = r#"{"data":{"root-cert.pem":"theirs","more":"theirs"}}"#;
    cluster.kubectl(&["patch", ROOTS, "-n", "later", "-p", theirs]);
    eventually("it is put back", || {
        let seen = house.roots("later");
        if seen == roots { Ok(()) } else { Err(seen) }
    });
    let object = cluster.object(&[ROOTS, "-n", "later"]);
    let more = object.pointer("/data/more");
    assert_eq!(more.and_then(Value::as_str), Some("theirs"));
    // A namespace that goes is not held up.
    cluster.kubectl(&["delete", "namespace", "later", "--timeout=90s"]);
}

/// A token that is meant for citadel is good, one for the API server is not.
fn reviews(house: &House<'_>, citadel: &Process, address: SocketAddr, roots: &str) {
    let good = house.token("default", "istio-ca");
    let caller = house.caller(address, "good", (roots, &good));
    caller.ready();
    let identity = "spiffe://cluster.local/ns/citadel/sa/default";
    eventually("its log", || {
        let log = house.log("good");
        log.contains(identity).then_some(()).ok_or(log)
    });
    let accepted = citadel.reviewed("accepted");
    assert!(accepted >= 1, "{accepted}");
    let other = house.token("default", "");
    let _stranger = house.caller(address, "stranger", (roots, &other));
    eventually("the stranger is refused", || {
        match citadel.reviewed("refused") {
            0 => Err(house.log("stranger")),
            _ => Ok(()),
        }
    });
    assert_eq!(citadel.reviewed("accepted"), accepted);
    for token in [good, other] {
        let log = house.log("citadel");
        assert!(!log.contains(&token), "no token is logged");
    }
}

/// While it is away nobody is refused for good, and one that starts waits.
fn outlives_the_api_server(house: &House<'_>, citadel: &Process, address: SocketAddr, roots: &str) {
    let cluster = house.cluster;
    let token = house.token("default", "istio-ca");
    cluster.stop("apiserver");
    let caller = house.caller(address, "caller", (roots, &token));
    eventually("its token is not reviewed", || {
        match citadel.reviewed("failed") {
            0 => Err(house.log("caller")),
            _ => Ok(()),
        }
    });
    let late = house.replica(free(), "late");
    eventually("it says what it waits for", || match late.page("/readyz") {
        Ok((503, text)) if text.contains("istio-ca-secret") => Ok(()),
        other => Err(other),
    });
    cluster.start("apiserver");
    caller.ready();
    late.ready();
    eventually("a namespace can be made", || {
        let made = cluster.run("kubectl", &["create", "namespace", "after"]);
        made.status.success().then_some(()).ok_or(made)
    });
    assert_eq!(house.roots("after"), roots);
}
