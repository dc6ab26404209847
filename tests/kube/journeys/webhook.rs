//! Pods get a sidecar as they are created: those that shall, and no other.

use serde_json::{Value, json};

use crate::app::{App, container};
use crate::world::World;

pub(crate) fn run(world: &World) {
    // Bookinfo in a labelled namespace.
    world.all_show("default", &[], "2/2");
    let unlabelled = "asks-for-it";
    world.cluster.namespace(unlabelled);
    let asks = App::new("default", "x").label("sidecar.istio.io/inject", "true");
    let refuses = App::new("default", "x").label("sidecar.istio.io/inject", "false");
    let noted = App::new("default", "x").annotation("sidecar.istio.io/inject", "false");
    let revision = App::new("default", "x").label("istio.io/rev", "default");
    let says_nothing = App::new("default", "x");
    let mut host = says_nothing.template();
    host["spec"]["hostNetwork"] = true.into();
    let cases = [
        ("default", "label-says-no", refuses.template(), "1/1"),
        ("default", "annotation-says-no", noted.template(), "1/1"),
        ("default", "host-network", host, "1/1"),
        ("kube-system", "system", asks.template(), "1/1"),
        (unlabelled, "says-nothing", says_nothing.template(), "1/1"),
        (unlabelled, "label-says-yes", asks.template(), "2/2"),
        (unlabelled, "revision-says-yes", revision.template(), "2/2"),
        ("default", "labelled", says_nothing.template(), "2/2"),
    ];
    for (namespace, name, template, _) in &cases {
        world.cluster.apply(&pod(namespace, name, template));
    }
    for (namespace, name, _, expected) in &cases {
        let named = format!("pod/{name}");
        world.all_show(namespace, &[name], expected);
        world.kubectl(&["delete", &named, "-n", namespace, "--wait=false"]);
    }
    refused(world);
    world.forget(unlabelled);
}

/// A wish that cannot be granted is no pod without a sidecar.
#[track_caller]
fn refused(world: &World) {
    let wrong = App::new("default", "x").annotation("sidecar.istio.io/proxyCPU", "a lot");
    let object = pod("default", "wrong", &wrong.template());
    let output = world
        .cluster
        .fed(&["apply", "-f", "-"], &object.to_string());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "the pod was taken");
    for part in ["pod", "wrong", "sidecar.istio.io/proxyCPU", "a lot"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

fn pod(namespace: &str, name: &str, template: &Value) -> Value {
    let mut pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": template["metadata"],
        "spec": template["spec"],
    });
    pod["metadata"]["name"] = name.into();
    pod["metadata"]["namespace"] = namespace.into();
    pod["spec"]["terminationGracePeriodSeconds"] = 1.into();
    pod["spec"]["containers"] = json!([container("v1")]);
    pod
}
