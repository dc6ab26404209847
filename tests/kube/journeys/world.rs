//! The cluster of all journeys, with everything on it that is not installed by a journey: images.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use mesh_test::eventually;
use mesh_test::eventually::eventually_for;
use mesh_tests::cluster::{Cluster, success};
use mesh_tests::mesh::binary;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::remote::Remote;

/// The root namespace.
pub(crate) const SYSTEM: &str = "istio-system";
/// What the charts call the images of this build.
pub(crate) const TAG: &str = env!("CARGO_PKG_VERSION");
/// The image of `mesh-pod`.
pub(crate) const POD_IMAGE: &str = "localhost/mesh-pod:1";
/// Where Bookinfo's manifests say its images are.
const BOOKINFO: &str = "docker.io/istio/examples-bookinfo";
const BOOKINFO_TAG: &str = "1.20.3";
/// How long pods may take to come or go on a busy machine.
const PODS: Duration = Duration::from_secs(120);

/// A running cluster.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) cluster: Cluster,
}

impl World {
    /// Brings one up that has the images.
    pub(crate) fn start() -> Self {
        let world = Self {
            cluster: Cluster::up(),
        };
        std::thread::scope(|scope| {
            scope.spawn(|| world.products());
            scope.spawn(|| world.applications());
        });
        world
    }

    /// The product's images, as `make images` packs them.
    fn products(&self) {
        let folder = TempDir::new().unwrap();
        let mut xtask = Command::new(binary("xtask"));
        let xtask = xtask
            .args(["images", "--built", "--out"])
            .arg(folder.path());
        success(&xtask.output().unwrap());
        for program in ["mesh-pilot", "mesh-citadel", "mesh-mixer", "mesh-proxy"] {
            self.cluster
                .import(&folder.path().join(format!("{program}.tar")));
        }
    }

    fn applications(&self) {
        let pod = root("mesh-pod");
        let serve = ["/mesh-pod"];
        self.cluster.image(POD_IMAGE, pod.path(), &serve);
        let shop = root("bookinfo");
        for (service, version, variables) in [
            ("productpage", "v1", ""),
            ("details", "v1", ""),
            ("ratings", "v1", ""),
            ("reviews", "v1", "ENABLE_RATINGS=false"),
            ("reviews", "v2", "ENABLE_RATINGS=true"),
            ("reviews", "v3", "ENABLE_RATINGS=true STAR_COLOR=red"),
        ] {
            let image = format!("{BOOKINFO}-{service}-{version}:{BOOKINFO_TAG}");
            let serve = ["/bookinfo", service, "--address", "0.0.0.0"];
            let variables = format!("SERVICE_VERSION={version} {variables}");
            self.cluster
                .image_with(&image, shop.path(), &serve, &variables);
        }
    }

    /// What kubectl prints.
    #[track_caller]
    pub(crate) fn kubectl(&self, arguments: &[&str]) -> String {
        self.cluster.kubectl(arguments)
    }

    /// What Helm prints.
    #[track_caller]
    pub(crate) fn helm(&self, arguments: &[&str]) -> String {
        success(&self.cluster.run("helm", arguments))
    }

    /// What becomes of meshctl on this cluster.
    #[track_caller]
    pub(crate) fn meshctl(&self, arguments: &[&str]) -> Output {
        let admin = self.cluster.folder().join("admin.conf");
        let admin = ["--kubeconfig", admin.to_str().unwrap()];
        meshctl(&[arguments, &admin].concat())
    }

    /// An object, as the API has it.
    #[track_caller]
    pub(crate) fn object(&self, arguments: &[&str]) -> Value {
        self.cluster.object(arguments)
    }

    /// Makes a namespace in which pods get a sidecar.
    #[track_caller]
    pub(crate) fn meshed(&self, namespace: &str) {
        let label = json!({"istio-injection": "enabled"});
        self.cluster.labelled(namespace, &label);
        self.injects(namespace);
    }

    /// Waits until a pod of a namespace would get a sidecar.
    #[track_caller]
    pub(crate) fn injects(&self, namespace: &str) {
        let container = json!({"name": "app", "image": POD_IMAGE});
        let pod = json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "would-be", "namespace": namespace},
            "spec": {"containers": [container]},
        });
        let create = ["create", "--dry-run=server", "-o", "json", "-f", "-"];
        eventually("a pod would get a sidecar", || {
            let made = self.cluster.fed(&create, &pod.to_string());
            let injected = String::from_utf8_lossy(&made.stdout).contains("istio-proxy");
            injected.then_some(()).ok_or(made)
        });
    }

    /// Applies a file of samples/bookinfo/networking.
    #[track_caller]
    pub(crate) fn apply_sample(&self, namespace: &str, name: &str) {
        let file = path(&format!("samples/bookinfo/networking/{name}"));
        self.kubectl(&["apply", "-n", namespace, "-f", &file]);
    }

    /// Waits until what is to be rolled out is.
    #[track_caller]
    pub(crate) fn rolled_out(&self, namespace: &str, workload: &str) {
        let status = ["rollout", "status", workload, "-n", namespace];
        let status = [&status[..], &["--timeout=120s"]].concat();
        // Its watch may break off where parts of Kubernetes are killed.
        eventually_for(PODS, workload, || {
            let waited = self.cluster.run("kubectl", &status);
            waited.status.success().then_some(()).ok_or(waited)
        });
    }

    /// Waits until every Deployment of a namespace is rolled out.
    #[track_caller]
    pub(crate) fn all_rolled_out(&self, namespace: &str) {
        let names = self.kubectl(&["get", "deployments", "-n", namespace, "-o", "name"]);
        for name in names.lines() {
            self.rolled_out(namespace, name);
        }
    }

    /// Waits until there are so many pods that fit a selector, and each of them is ready.
    #[track_caller]
    pub(crate) fn ready(&self, namespace: &str, selector: &str, count: usize) {
        eventually_for(PODS, selector, || {
            let list = self.object(&["pods", "-n", namespace, "-l", selector]);
            let pods = list["items"].as_array().unwrap();
            let good = pods.len() == count && pods.iter().all(is_ready);
            good.then_some(()).ok_or(list)
        });
    }

    /// Waits until no pod fits a selector.
    #[track_caller]
    pub(crate) fn gone(&self, namespace: &str, selector: &str) {
        eventually_for(PODS, "pods are gone", || {
            let names =
                self.kubectl(&["get", "pods", "-n", namespace, "-l", selector, "-o", "name"]);
            names.is_empty().then_some(()).ok_or(names)
        });
    }

    /// Waits until every pod of a namespace, or those that are named, has so many ready containers, as
    /// `kubectl get pods` prints them: `2/2`. A probe that was late makes nobody fail.
    #[track_caller]
    pub(crate) fn all_show(&self, namespace: &str, names: &[&str], expected: &str) {
        eventually_for(PODS, &format!("{namespace} {names:?}: {expected}"), || {
            let all = self.readiness(namespace, names);
            let differs: Vec<_> = all.iter().filter(|(_, seen)| seen != expected).collect();
            let good = !all.is_empty() && differs.is_empty();
            good.then_some(()).ok_or_else(|| format!("{all:?}"))
        });
    }

    /// Ready containers of each pod, as `kubectl get pods` prints them: `web-1 2/2`.
    #[track_caller]
    fn readiness(&self, namespace: &str, more: &[&str]) -> Vec<(String, String)> {
        let get = ["get", "pods", "--no-headers", "-n", namespace];
        let table = self.kubectl(&[&get, more].concat());
        let words = table.lines().map(|line| {
            let mut words = line.split_whitespace().map(str::to_owned);
            (words.next().unwrap(), words.next().unwrap())
        });
        words.collect()
    }

    /// The pods of a namespace that run and do not end.
    #[track_caller]
    pub(crate) fn pods(&self, namespace: &str, selector: &str) -> Vec<Pod> {
        let list = self.object(&["pods", "-n", namespace, "-l", selector]);
        let pods = list["items"].as_array().unwrap().iter();
        pods.filter_map(Pod::of).collect()
    }

    /// One pod of those.
    #[track_caller]
    pub(crate) fn pod(&self, namespace: &str, selector: &str) -> Pod {
        let pods = self.pods(namespace, selector);
        pods.into_iter().next().expect(selector)
    }

    /// The hands of a test in a pod of [`crate::app`].
    #[track_caller]
    pub(crate) fn remote(&self, namespace: &str, app: &str) -> Remote {
        Remote::of(&self.pod(namespace, &format!("app={app}")))
    }

    /// The address of a Service, which the machine can reach.
    #[track_caller]
    pub(crate) fn service(&self, namespace: &str, name: &str) -> String {
        let service = self.object(&["service", name, "-n", namespace]);
        service["spec"]["clusterIP"].as_str().unwrap().to_owned()
    }

    /// Kills what runs in a container of a pod, as the kernel does when it is out of memory.
    #[track_caller]
    pub(crate) fn kill(&self, pod: &Pod, container: &str) {
        let id = self.container_id(pod, container);
        success(
            &self
                .cluster
                .run("ctr", &["tasks", "kill", "-s", "SIGKILL", &id]),
        );
    }

    /// What containerd calls a container of a pod.
    #[track_caller]
    pub(crate) fn container_id(&self, pod: &Pod, container: &str) -> String {
        let status = self.container(pod, container);
        let id = status["containerID"].as_str().unwrap();
        id.trim_start_matches("containerd://").to_owned()
    }

    /// Kills it, and waits until it was revived and the pod is ready again.
    #[track_caller]
    pub(crate) fn kill_and_see(&self, pod: &Pod, container: &str) {
        let before = self.restarts(pod, container);
        self.kill(pod, container);
        eventually_for(PODS, container, || match self.restarts(pod, container) {
            now if now > before => Ok(()),
            now => Err(now),
        });
        let named = format!("pod/{}", pod.name);
        self.cluster
            .wait("condition=Ready", &[&named, "-n", &pod.namespace]);
    }

    /// How often a container of a pod was started again.
    #[track_caller]
    pub(crate) fn restarts(&self, pod: &Pod, container: &str) -> u64 {
        let status = self.container(pod, container);
        status["restartCount"].as_u64().unwrap()
    }

    /// The status of a container of a pod.
    #[track_caller]
    fn container(&self, pod: &Pod, name: &str) -> Value {
        let object = self.object(&["pod", &pod.name, "-n", &pod.namespace]);
        let status = &object["status"];
        let lists = ["initContainerStatuses", "containerStatuses"].map(|list| &status[list]);
        let mut all = lists.iter().filter_map(|list| list.as_array()).flatten();
        all.find(|one| one["name"] == name).expect(name).clone()
    }

    /// Waits until the API server answers again.
    #[track_caller]
    pub(crate) fn answering(&self) {
        eventually("the API server", || {
            let ready = ["get", "--raw", "/readyz", "--request-timeout=2s"];
            let asked = self.cluster.run("kubectl", &ready);
            asked.status.success().then_some(()).ok_or(asked)
        });
    }

    /// Revives the parts of the cluster that a journey left dead.
    pub(crate) fn mend(&self) {
        for part in ["etcd", "containerd", "apiserver", "kubelet", "proxy"] {
            let _it_runs = self.cluster.run("start", &[part]);
        }
        self.answering();
    }

    /// Deletes a namespace, without waiting for it to be gone.
    #[track_caller]
    pub(crate) fn forget(&self, namespace: &str) {
        self.kubectl(&["delete", "namespace", namespace, "--wait=false"]);
    }
}

/// A pod that runs.
#[derive(Debug, Clone)]
pub(crate) struct Pod {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) address: String,
}

impl Pod {
    fn of(object: &Value) -> Option<Self> {
        let meta = &object["metadata"];
        let runs = object["status"]["phase"] == "Running" && meta["deletionTimestamp"].is_null();
        let text = |value: &Value| value.as_str().map(str::to_owned);
        runs.then_some(())?;
        Some(Self {
            namespace: text(&meta["namespace"])?,
            name: text(&meta["name"])?,
            address: text(&object["status"]["podIP"])?,
        })
    }
}

/// Whether a pod serves and does not end.
fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array();
    let mut conditions = conditions.into_iter().flatten();
    let ready = conditions.any(|one| one["type"] == "Ready" && one["status"] == "True");
    ready && pod["metadata"]["deletionTimestamp"].is_null()
}

/// A file or folder of the repository.
pub(crate) fn path(inside: &str) -> String {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    root.join(inside).to_string_lossy().into_owned()
}

/// Runs meshctl without a mesh; standard input is text.
#[track_caller]
pub(crate) fn meshctl(arguments: &[&str]) -> Output {
    let mut meshctl = Command::new(binary("meshctl"));
    meshctl
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// A file system of a program and the libraries that it is started with.
#[track_caller]
pub(crate) fn root(program: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    let program = binary(program);
    let into = |file: &Path, place: &Path| {
        let to = folder.path().join(place.strip_prefix("/").unwrap_or(place));
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(file, to).unwrap();
    };
    into(&program, Path::new(program.file_name().unwrap()));
    let needed = success(&Command::new("ldd").arg(&program).output().unwrap());
    // `NAME => FILE (ADDRESS)`, or `FILE (ADDRESS)`; the kernel's own library is no file.
    for line in needed.lines() {
        let file = line.split("=> ").last().unwrap_or_default();
        let file = file.split_whitespace().next().unwrap_or_default();
        if file.starts_with('/') {
            into(Path::new(file), Path::new(file));
        }
    }
    std::fs::create_dir_all(folder.path().join("tmp")).unwrap();
    folder
}
