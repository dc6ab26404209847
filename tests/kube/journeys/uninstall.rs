//! The mesh goes: applications stay, nothing of it does, and it may come again.

use mesh_test::eventually;

use crate::install;
use crate::remote::fetch;
use crate::shop::Shop;
use crate::world::{SYSTEM, World, path};

/// Kinds of objects that the charts or the components make.
const KINDS: [&str; 10] = [
    "mutatingwebhookconfigurations",
    "validatingwebhookconfigurations",
    "clusterroles",
    "clusterrolebindings",
    "configmaps",
    "secrets",
    "leases",
    "roles",
    "rolebindings",
    "serviceaccounts",
];

pub(crate) fn run(world: &World) {
    world.helm(&["uninstall", "mesh", "-n", SYSTEM, "--wait"]);
    world.helm(&["uninstall", "mesh-init", "-n", SYSTEM, "--wait"]);
    // As docs/install.md has it.
    world.kubectl(&["delete", "secret", "istio-ca-secret", "-n", SYSTEM]);
    world.kubectl(&["delete", "configmap", "-A", "-l", "istio.io/config=true"]);
    world.kubectl(&["delete", "lease", "istio-pilot", "-n", SYSTEM]);
    applications_stay(world);
    nothing_remains(world);
    again(world);
}

/// They are restarted without sidecars, though their namespace is labelled still.
#[track_caller]
fn applications_stay(world: &World) {
    world.kubectl(&["rollout", "restart", "deployment", "-n", "default"]);
    world.all_rolled_out("default");
    let running = "--field-selector=status.phase=Running";
    eventually("no pod has a sidecar", || {
        let all = world.readiness("default", &[running]);
        let injected: Vec<_> = all
            .into_iter()
            .filter(|(_, ready)| ready != "1/1")
            .collect();
        injected.is_empty().then_some(()).ok_or(injected)
    });
    let page = format!(
        "http://{}:9080/productpage",
        world.service("default", "productpage")
    );
    eventually("the page", || match fetch(&page, &[]) {
        Ok((200, body)) if body.contains("Reviewer1") => Ok(()),
        other => Err(other),
    });
}

#[track_caller]
fn nothing_remains(world: &World) {
    for kind in KINDS {
        let names = "custom-columns=A:.metadata.namespace,B:.metadata.name,C:.metadata.labels";
        let all = world.kubectl(&["get", kind, "-A", "--no-headers", "-o", names]);
        let ours = |line: &&str| line.contains("istio") || line.contains("mesh");
        // What Kubernetes itself puts into the namespace, which was made for the mesh.
        let kubernetes =
            |line: &&str| line.contains("kube-root-ca.crt") || line.contains(" default ");
        let left: Vec<&str> = all
            .lines()
            .filter(ours)
            .filter(|line| !kubernetes(line))
            .collect();
        assert_eq!(left, Vec::<&str>::new(), "{kind}");
    }
    let finalizers = "jsonpath={.items[*].metadata.finalizers}";
    for kind in ["namespaces", "pods", "services"] {
        let all = world.kubectl(&["get", kind, "-A", "-o", finalizers]);
        assert!(
            !all.contains("istio") && !all.contains("mesh"),
            "{kind}: {all}"
        );
    }
    let definitions = [
        "get",
        "crd",
        "-o",
        "name",
        "-l",
        "app.kubernetes.io/part-of=mesh",
    ];
    assert_eq!(world.kubectl(&definitions).lines().count(), 62);
    let gateways = world.kubectl(&[
        "get",
        "gateways.networking.istio.io",
        "-n",
        "default",
        "-o",
        "name",
    ]);
    assert!(
        gateways.contains("bookinfo-gateway"),
        "what users applied stays: {gateways}"
    );
}

/// It takes up what stayed.
#[track_caller]
fn again(world: &World) {
    install::definitions(world);
    install::mesh(world);
    world.kubectl(&["rollout", "restart", "deployment", "-n", "default"]);
    world.all_rolled_out("default");
    let file = path("samples/bookinfo/networking/bookinfo-gateway.yaml");
    world.kubectl(&["apply", "-f", &file]);
    Shop::of(world).open();
}
