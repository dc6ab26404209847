//! The cluster of all journeys, with everything on it that is not installed by a journey: images.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use mesh_test::eventually;
use mesh_tests::cluster::{Cluster, success};
use mesh_tests::mesh::binary;
use serde_json::Value;
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

    /// An object, as the API has it.
    #[track_caller]
    pub(crate) fn object(&self, arguments: &[&str]) -> Value {
        self.cluster.object(arguments)
    }

    /// Makes a namespace in which pods get a sidecar.
    #[track_caller]
    pub(crate) fn meshed(&self, namespace: &str) {
        self.cluster.namespace(namespace);
        self.kubectl(&["label", "namespace", namespace, "istio-injection=enabled"]);
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
        self.kubectl(&[
            "rollout",
            "status",
            workload,
            "-n",
            namespace,
            "--timeout=120s",
        ]);
    }

    /// Waits until every Deployment of a namespace is rolled out.
    #[track_caller]
    pub(crate) fn all_rolled_out(&self, namespace: &str) {
        let names = self.kubectl(&["get", "deployments", "-n", namespace, "-o", "name"]);
        for name in names.lines() {
            self.rolled_out(namespace, name);
        }
    }

    /// Ready containers of each pod, as `kubectl get pods` prints them: `web-1 2/2`.
    #[track_caller]
    pub(crate) fn readiness(&self, namespace: &str, more: &[&str]) -> Vec<(String, String)> {
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
        let object = self.object(&["pod", &pod.name, "-n", &pod.namespace]);
        let status = &object["status"];
        let lists = ["initContainerStatuses", "containerStatuses"].map(|list| &status[list]);
        let mut all = lists.iter().filter_map(|list| list.as_array()).flatten();
        let found = all.find(|one| one["name"] == container).expect(container);
        let id = found["containerID"].as_str().unwrap();
        let id = id.trim_start_matches("containerd://");
        success(
            &self
                .cluster
                .run("ctr", &["tasks", "kill", "-s", "SIGKILL", id]),
        );
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
fn root(program: &str) -> TempDir {
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
