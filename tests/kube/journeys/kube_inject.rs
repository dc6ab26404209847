//! Manifests get their sidecars from meshctl, in a namespace that the webhook leaves alone.

use std::fs;

use mesh_test::eventually;
use mesh_tests::cluster::success;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::app::{App, container};
use crate::remote::{Remote, fetch};
use crate::world::{POD_IMAGE, World, meshctl, path};

const HERE: &str = "by-hand";
/// What the Job and init containers ask for: another workload of the mesh.
const SHOP: &str = "http://productpage:9080/api/v1/products";

pub(crate) fn run(world: &World) {
    world.cluster.namespace(HERE);
    // Every workload takes mutual TLS alone; whoever passes its sidecar by is refused.
    world.cluster.apply(&json!({
        "apiVersion": "security.istio.io/v1",
        "kind": "PeerAuthentication",
        "metadata": {"name": "default", "namespace": HERE},
        "spec": {"mtls": {"mode": "STRICT"}},
    }));
    let shop = path("samples/bookinfo/platform/kube/bookinfo.yaml");
    inject(world, &shop);
    let folder = TempDir::new().unwrap();
    let inject_all = |name: &str, objects: &[Value]| {
        let file = folder.path().join(name);
        fs::write(&file, stream(objects)).unwrap();
        inject(world, &file.to_string_lossy());
    };
    inject_all("servers.yaml", &servers());
    every_kind_runs(world);
    // Once there is whom they ask: one that fails is tried again later and later.
    inject_all("jobs.yaml", &jobs());
    jobs_end(world);
    world.forget(HERE);
}

/// `meshctl kube-inject -f FILE | kubectl apply -f -`
#[track_caller]
fn inject(world: &World, file: &str) {
    let injected = success(&meshctl(&["kube-inject", "-f", file]));
    world.cluster.apply_in(HERE, &injected);
}

#[track_caller]
fn every_kind_runs(world: &World) {
    world.all_rolled_out(HERE);
    world.rolled_out(HERE, "daemonset/daemon");
    world.rolled_out(HERE, "statefulset/stateful");
    for pod in ["app=replica", "app=controller", "app=single", "app=classic"] {
        world.ready(HERE, pod, 1);
    }
    world.all_show(HERE, &[], "2/2");
    // The namespace takes mutual TLS alone: what is ready was probed through its sidecar.
    let direct = format!("http://{}:8080/", world.pod(HERE, "app=probed").address);
    eventually("plain text is refused", || match fetch(&direct, &[]) {
        Ok(answered) => Err(answered),
        Err(_) => Ok(()),
    });
    let caller = Remote::of(&world.pod(HERE, "app=single"));
    let page = "http://productpage:9080/productpage";
    eventually("the page", || match caller.get(page) {
        Ok(page) if page.status == 200 && page.body.contains("Reviewer1") => Ok(()),
        other => Err(other),
    });
}

#[track_caller]
fn jobs_end(world: &World) {
    world.kubectl(&[
        "create",
        "job",
        "by-clock",
        "--from=cronjob/clock",
        "-n",
        HERE,
    ]);
    for job in ["job/once", "job/by-clock"] {
        world.cluster.wait("condition=Complete", &[job, "-n", HERE]);
        for container in ["first", "main"] {
            let log = world.kubectl(&["logs", job, "-c", container, "-n", HERE]);
            assert!(
                log.contains("The Comedy of Errors"),
                "{job} {container}: {log}"
            );
        }
    }
}

/// Every kind of workload that serves.
fn servers() -> [Value; 7] {
    let template = |name: &str| App::new(HERE, name).template();
    let selected = |name: &str| json!({"matchLabels": {"app": name}});
    let replicated = |kind: &str, group: &str, name: &str| {
        json!({"apiVersion": group, "kind": kind, "metadata": {"name": name},
            "spec": {"replicas": 1, "selector": selected(name), "template": template(name)}})
    };
    let mut daemon = replicated("DaemonSet", "apps/v1", "daemon");
    let mut stateful = replicated("StatefulSet", "apps/v1", "stateful");
    let mut controller = replicated("ReplicationController", "v1", "controller");
    daemon["spec"].as_object_mut().unwrap().remove("replicas");
    stateful["spec"]["serviceName"] = "stateful".into();
    controller["spec"]["selector"] = json!({"app": "controller"});
    let single = template("single");
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "spec": single["spec"]});
    pod["metadata"] = single["metadata"].clone();
    pod["metadata"]["name"] = "single".into();
    let mut classic = replicated("Deployment", "apps/v1", "classic");
    let pointer = "/spec/template/metadata/annotations";
    let notes = classic.pointer_mut(pointer).unwrap();
    notes["sidecar.istio.io/nativeSidecar"] = "false".into();
    let mut probed = replicated("Deployment", "apps/v1", "probed");
    *probed
        .pointer_mut("/spec/template/spec/containers/0")
        .unwrap() = probes();
    let replica = replicated("ReplicaSet", "apps/v1", "replica");
    [daemon, stateful, controller, replica, pod, classic, probed]
}

/// Every kind that ends.
fn jobs() -> [Value; 2] {
    let clock = json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "clock"},
        "spec": {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": job()}}});
    let once = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "once"},
        "spec": job()});
    [clock, once]
}

/// Objects as one stream.
fn stream(objects: &[Value]) -> String {
    let documents = objects.iter().map(|object| format!("---\n{object}\n"));
    documents.collect()
}

/// The three kinds of probes that ask over the network.
fn probes() -> Value {
    let mut container = container("v1");
    container["startupProbe"] = json!({"grpc": {"port": 8080}, "periodSeconds": 1});
    container["readinessProbe"] =
        json!({"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1});
    container["livenessProbe"] = json!({"tcpSocket": {"port": 8080}, "periodSeconds": 1});
    container
}

/// Its init container asks the mesh, and then its container does.
fn job() -> Value {
    let ask = |name: &str| json!({"name": name, "image": POD_IMAGE, "args": ["get", SHOP]});
    json!({"template": {"spec": {"restartPolicy": "OnFailure",
        "initContainers": [ask("first")], "containers": [ask("main")]}}})
}
