//! Services: found by name in a pod, and reached by their address from the host.

use mesh_test::eventually;
use serde_json::json;

use crate::cluster::{Cluster, shared};
use crate::toolbox::{self, PAGE, idle, server};

/// A server behind a Service, and a pod that can call it.
#[track_caller]
fn served(cluster: &Cluster, namespace: &str) {
    toolbox::pack(cluster);
    cluster.namespace(namespace);
    cluster.apply(&server(namespace, "web"));
    cluster.apply(&idle(namespace, "caller"));
    cluster.apply(&json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": namespace},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]},
    }));
    let pods = ["pod/web", "pod/caller", "-n", namespace];
    cluster.wait("condition=Ready", &pods);
}

#[test]
fn a_service_reaches_a_pod_by_name() {
    let cluster = shared().read();
    served(&cluster, "names");
    for name in ["web", "web.names", "web.names.svc.cluster.local"] {
        let url = format!("http://{name}/");
        let call = ["/toolbox", "get", url.as_str()];
        // The rules of kube-proxy follow the pod's readiness, and tell nobody.
        let page = eventually(name, || {
            let arguments = [&["exec", "caller", "-n", "names", "--"], &call[..]].concat();
            let called = cluster.run("kubectl", &arguments);
            if called.status.success() {
                Ok(called.stdout)
            } else {
                Err(String::from_utf8_lossy(&called.stderr).into_owned())
            }
        });
        assert_eq!(String::from_utf8_lossy(&page), PAGE, "{url}");
    }
}

#[test]
fn the_host_reaches_a_service_and_a_pod() {
    let cluster = shared().read();
    served(&cluster, "outside");
    let service = cluster.object(&["service/web", "-n", "outside"]);
    let pod = cluster.object(&["pod/web", "-n", "outside"]);
    let service = service["spec"]["clusterIP"].as_str().unwrap();
    let pod = pod["status"]["podIP"].as_str().unwrap();
    for address in [format!("{service}:80"), format!("{pod}:8080")] {
        let answer = eventually(&address, || toolbox::get(&address));
        assert!(answer.ends_with(PAGE), "{address}: {answer}");
    }
}
