//! The cluster comes up, and its API answers.

use crate::cluster::{shared, success};

#[test]
fn a_cluster_comes_up_and_its_api_answers() {
    let cluster = shared().read();
    let nodes = cluster.object(&["nodes"]);
    let node = &nodes["items"][0]["status"];
    let ready = node["conditions"].as_array().unwrap().iter();
    let ready = ready.filter(|condition| condition["type"] == "Ready");
    let states: Vec<_> = ready.map(|condition| &condition["status"]).collect();
    assert_eq!(states, ["True"]);
    let version = node["nodeInfo"]["kubeletVersion"].as_str().unwrap();
    assert!(version.starts_with("v1.36."), "{version}");
    assert_eq!(cluster.kubectl(&["get", "--raw", "/readyz"]), "ok");
}

#[test]
fn helm_4_sees_the_cluster() {
    let cluster = shared().read();
    let version = success(&cluster.run("helm", &["version", "--short"]));
    assert!(version.starts_with("v4."), "{version}");
    let releases = success(&cluster.run("helm", &["list", "-A", "-o", "json"]));
    assert_eq!(releases.trim(), "[]");
}
