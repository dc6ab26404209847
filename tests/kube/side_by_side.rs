//! Several clusters on one machine.

use mesh_test::eventually;

use crate::cluster::{Cluster, shared};
use crate::toolbox::{self, PAGE, idle, server};

#[track_caller]
fn address(cluster: &Cluster, namespace: &str, pod: &str) -> String {
    let pod = cluster.object(&[&format!("pod/{pod}"), "-n", namespace]);
    let address = pod.pointer("/status/podIP").unwrap();
    address.as_str().unwrap().to_owned()
}

#[test]
fn two_clusters_side_by_side_do_not_see_each_other() {
    let other = Cluster::up();
    let cluster = shared().read();
    assert_ne!(cluster.id(), other.id());
    for one in [&*cluster, &other] {
        toolbox::pack(one);
        one.namespace("sides");
        one.apply(&server("sides", "web"));
        one.apply(&idle("sides", "caller"));
        let pods = ["pod/web", "pod/caller", "-n", "sides"];
        one.wait("condition=Ready", &pods);
    }
    other.namespace("only-there");
    let asked = cluster.run("kubectl", &["get", "namespace", "only-there"]);
    assert!(!asked.status.success(), "a namespace of the other cluster");

    let address = address(&other, "sides", "web");
    let url = format!("http://{address}:8080/");
    let exec = ["exec", "caller", "-n", "sides", "--"];
    let call = [&exec[..], &["/toolbox", "get", url.as_str()]].concat();
    let own = other.run("kubectl", &call);
    assert_eq!(
        String::from_utf8_lossy(&own.stdout),
        PAGE,
        "the pod is there"
    );
    eventually("from the host", || toolbox::get(&format!("{address}:8080")));
    let foreign = cluster.run("kubectl", &call);
    assert!(
        !foreign.status.success(),
        "a pod of the other cluster answers"
    );
}
