//! The mesh comes and goes by meshctl alone, without Helm.

use mesh_test::eventually;
use mesh_tests::cluster::success;

use crate::report;
use crate::uninstall;
use crate::world::{SYSTEM, World};

pub(crate) fn run(world: &World) {
    // What Helm has installed is left to Helm.
    let refused = world.meshctl(&["uninstall"]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(
        !refused.status.success() && said.contains("helm uninstall mesh"),
        "{said}"
    );
    uninstall::by_helm(world);
    let definitions = ["crd", "-l", "app.kubernetes.io/part-of=mesh"];
    world.kubectl(&[&["delete"], &definitions[..]].concat());

    success(&world.meshctl(&["check", "--pre"]));
    let port = "gateways.istio-ingressgateway.type=NodePort";
    success(&world.meshctl(&["install", "--profile", "demo", "--set", port]));
    world.all_show(SYSTEM, &[], "1/1");
    uninstall::meshed_again(world);
    eventually("everything is well", || {
        let checked = world.meshctl(&["check"]);
        checked.status.success().then_some(()).ok_or(checked)
    });
    report::run(world);

    success(&world.meshctl(&["uninstall", "--purge"]));
    uninstall::nothing_remains(world);
    eventually("no definition remains", || {
        let names = world.kubectl(&[&["get", "-o", "name"], &definitions[..]].concat());
        names.is_empty().then_some(()).ok_or(names)
    });
}
