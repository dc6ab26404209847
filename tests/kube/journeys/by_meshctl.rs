//! The mesh comes and goes by meshctl alone, without Helm, in a namespace of the user's choice.

use mesh_test::eventually;
use mesh_tests::cluster::success;

use crate::report;
use crate::uninstall;
use crate::world::World;

/// Where it is installed.
const ROOT: &str = "platform";

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

    success(&world.meshctl(&["check", "--pre", "-i", ROOT]));
    let port = "gateways.istio-ingressgateway.type=NodePort";
    let install = ["install", "-i", ROOT, "--profile", "demo", "--set", port];
    success(&world.meshctl(&install));
    world.all_show(ROOT, &[], "1/1");
    uninstall::meshed_again(world, ROOT);
    eventually("everything is well", || {
        let checked = world.meshctl(&["check", "-i", ROOT]);
        checked.status.success().then_some(()).ok_or(checked)
    });
    report::run(world, ROOT);

    success(&world.meshctl(&["uninstall", "-i", ROOT, "--purge"]));
    uninstall::nothing_remains(world, ROOT);
    eventually("no definition remains", || {
        let names = world.kubectl(&[&["get", "-o", "name"], &definitions[..]].concat());
        names.is_empty().then_some(()).ok_or(names)
    });
}
