//! The API server is killed and comes back.

use mesh_test::eventually;

use crate::cluster::shared;
use crate::toolbox::{self, idle};

#[test]
fn objects_and_pods_outlive_the_api_server() {
    let cluster = shared().write();
    toolbox::pack(&cluster);
    cluster.namespace("revival");
    cluster.apply(&idle("revival", "survivor"));
    cluster.wait("condition=Ready", &["pod/survivor", "-n", "revival"]);
    let seen = |pod: &serde_json::Value| {
        let id = pod["status"]["containerStatuses"][0]["containerID"].clone();
        (pod["metadata"]["uid"].clone(), id)
    };
    let before = seen(&cluster.object(&["pod/survivor", "-n", "revival"]));

    cluster.stop("apiserver");
    let asked = cluster.run("kubectl", &["get", "--raw", "/readyz"]);
    assert!(
        !asked.status.success(),
        "an API server that was killed answers"
    );

    cluster.start("apiserver");
    eventually("the API server", || {
        let asked = cluster.run("kubectl", &["get", "--raw", "/readyz"]);
        asked.status.success().then_some(()).ok_or(asked)
    });
    let after = seen(&cluster.object(&["pod/survivor", "-n", "revival"]));
    assert_eq!(before, after);
    // And it is not a relic: what comes later is carried out.
    cluster.apply(&idle("revival", "newcomer"));
    cluster.wait("condition=Ready", &["pod/newcomer", "-n", "revival"]);
}
