//! What is injected, mesh-proxy understands: its flags, and those of its capture, are documented from
//! the programs themselves.

#![expect(
    clippy::unwrap_used,
    reason = "a test that says what is wrong by failing"
)]

use mesh_inject::{Settings, inject_object};
use serde_json::{Value, json};

const SETTINGS: &str = include_str!("../../../docs/settings.md");
const CAPTURE: &str = include_str!("../../../docs/capture.md");

/// The arguments of an injected container, with everything that can be asked for.
fn arguments(container: &str) -> Vec<String> {
    let mut settings = Settings::default();
    settings.proxy.access_log = "-".to_owned();
    settings.proxy.exit_on_zero_active_connections = true;
    let annotations = json!({
        "traffic.sidecar.istio.io/includeOutboundPorts": "443",
        "traffic.sidecar.istio.io/excludeOutboundPorts": "3306",
        "traffic.sidecar.istio.io/excludeInterfaces": "net1",
        "traffic.sidecar.istio.io/kubevirtInterfaces": "net2",
    });
    let mut pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web", "annotations": annotations},
        "spec": {"containers": [{"name": "web"}]},
    });
    inject_object(&mut pod, &settings, "default", "").unwrap();
    let containers = pod.pointer("/spec/initContainers").unwrap();
    let containers = containers.as_array().unwrap();
    let found = containers.iter().find(|one| one["name"] == container);
    let arguments = found.unwrap()["args"].as_array().unwrap().iter();
    arguments
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_sidecars_flags_are_those_of_mesh_proxy() {
    let (_, after) = SETTINGS.split_once("<!-- flags of mesh-proxy -->").unwrap();
    let (table, _) = after.split_once("<!-- end of mesh-proxy -->").unwrap();
    for argument in arguments("istio-proxy") {
        let (flag, _) = argument.split_once('=').unwrap();
        assert!(table.contains(&format!("| `{flag} <")), "{flag}");
    }
}

#[test]
fn the_options_of_capture_are_those_of_mesh_proxy_capture() {
    let arguments = arguments("istio-init");
    let (verb, flags) = arguments.split_first().unwrap();
    assert_eq!(verb, "capture");
    for [flag, _value] in flags.as_chunks().0 {
        assert!(CAPTURE.contains(&format!("| `{flag}`, ")), "{flag}");
    }
}
