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

/// What is of the mesh.
const MESH: &str = "app.kubernetes.io/part-of=mesh";

pub(crate) fn run(world: &World) {
    by_helm(world);
    applications_stay(world);
    nothing_remains(world, SYSTEM);
    definitions_stay(world);
    again(world);
}

/// As docs/install.md has it.
#[track_caller]
pub(crate) fn by_helm(world: &World) {
    world.helm(&["uninstall", "mesh", "-n", SYSTEM, "--wait"]);
    world.helm(&["uninstall", "mesh-init", "-n", SYSTEM, "--wait"]);
    // Helm does not wait for pods, and citadel puts back what is taken from it.
    world.gone(SYSTEM, MESH);
    world.kubectl(&["delete", "secret", "istio-ca-secret", "-n", SYSTEM]);
    world.kubectl(&["delete", "configmap", "-A", "-l", "istio.io/config=true"]);
    world.kubectl(&["delete", "lease", "istio-pilot", "-n", SYSTEM]);
}

/// They are restarted without sidecars, though their namespace is labelled still.
#[track_caller]
fn applications_stay(world: &World) {
    world.kubectl(&["rollout", "restart", "deployment", "-n", "default"]);
    world.all_rolled_out("default");
    world.all_show("default", &[], "1/1");
    let page = format!(
        "http://{}:9080/productpage",
        world.service("default", "productpage")
    );
    eventually("the page", || match fetch(&page, &[]) {
        Ok((200, body)) if body.contains("Reviewer1") => Ok(()),
        other => Err(other),
    });
}

/// Nothing of a mesh in this namespace but the definitions, and what is of their kinds.
#[track_caller]
pub(crate) fn nothing_remains(world: &World, root: &str) {
    world.gone(root, MESH);
    for kind in KINDS {
        let names = "custom-columns=A:.metadata.namespace,B:.metadata.name,C:.metadata.labels";
        let get = ["get", kind, "-A", "--no-headers", "-o", names];
        let ours = |line: &&str| line.contains("istio") || line.contains("mesh");
        // What Kubernetes itself puts into the namespace, which was made for the mesh.
        let kubernetes =
            |line: &&str| line.contains("kube-root-ca.crt") || line.contains(" default ");
        eventually(kind, || {
            let all = world.kubectl(&get);
            let left = all.lines().filter(ours).filter(|line| !kubernetes(line));
            let left: Vec<String> = left.map(str::to_owned).collect();
            left.is_empty().then_some(()).ok_or(left)
        });
    }
    let finalizers = "jsonpath={.items[*].metadata.finalizers}";
    for kind in ["namespaces", "pods", "services"] {
        let all = world.kubectl(&["get", kind, "-A", "-o", finalizers]);
        assert!(
            !all.contains("istio") && !all.contains("mesh"),
            "{kind}: {all}"
        );
    }
}

#[track_caller]
fn definitions_stay(world: &World) {
    let definitions = ["get", "crd", "-o", "name", "-l", MESH];
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
    meshed_again(world, SYSTEM);
}

/// Bookinfo gets its sidecars, and its door in the mesh's namespace.
#[track_caller]
pub(crate) fn meshed_again(world: &World, root: &str) {
    world.injects("default");
    world.kubectl(&["rollout", "restart", "deployment", "-n", "default"]);
    world.all_rolled_out("default");
    world.all_show("default", &[], "2/2");
    let file = path("samples/bookinfo/networking/bookinfo-gateway.yaml");
    world.kubectl(&["apply", "-f", &file]);
    Shop::in_mesh(world, root).open();
}
