//! The mesh is replaced by another version and back, under two hundred requests a second.

use mesh_test::eventually;
use mesh_tests::cluster::success;

use crate::app::App;
use crate::remote::Remote;
use crate::shop::Shop;
use crate::world::{SYSTEM, TAG, World, path};

const HERE: &str = "upgraded";
const OUTSIDE: &str = "upgrade-visitors";
/// The same build under another name.
const NEXT: &str = "next";
const RATE: u32 = 180;
const VISITS: u32 = 20;

pub(crate) fn run(world: &World) {
    for program in ["mesh-pilot", "mesh-citadel", "mesh-mixer", "mesh-proxy"] {
        let image = format!("docker.io/mesh/{program}");
        let tag = [
            "images",
            "tag",
            &format!("{image}:{TAG}"),
            &format!("{image}:{NEXT}"),
        ];
        success(&world.cluster.run("ctr", &tag));
    }
    world.meshed(HERE);
    world.cluster.namespace(OUTSIDE);
    App::new(HERE, "server").replicas(3).apply(world);
    App::new(HERE, "client").apply(world);
    App::new(OUTSIDE, "visitor").deploy(world);
    world.all_rolled_out(HERE);
    Shop::of(world).open();
    let (client, visitor) = (
        world.remote(HERE, "client"),
        world.remote(OUTSIDE, "visitor"),
    );
    client.load("http://server/", RATE, "server");
    visitor.load(
        &format!("http://istio-ingressgateway.{SYSTEM}/productpage"),
        VISITS,
        "Reviewer1",
    );
    let unharmed = |what: &str| {
        client.tally().assert_unharmed(what, 1);
        visitor.tally().assert_unharmed(what, 1);
    };

    let (chart, profile) = (path("charts/mesh"), path("charts/mesh/profiles/demo.yaml"));
    let tag = format!("global.tag={NEXT}");
    let port = "gateways.istio-ingressgateway.type=NodePort";
    let upgrade = [
        "upgrade", "mesh", &chart, "-n", SYSTEM, "-f", &profile, "--set", port,
    ];
    let wait = ["--wait", "--timeout", "180s"];
    // What the first revision says of the webhook becomes pilot's; those that follow leave it out.
    let policy = "jsonpath={.webhooks[0].failurePolicy}=Fail";
    world
        .cluster
        .wait(policy, &["validatingwebhookconfiguration/istio-validator"]);
    world.helm(&[&upgrade[..], &wait].concat());
    world.helm(&[&upgrade[..], &["--set", &tag], &wait].concat());
    world.all_rolled_out(SYSTEM);
    runs(world, NEXT);
    unharmed("the mesh is the next version, sidecars are not");
    sidecars(world, NEXT);
    unharmed("sidecars are the next version");

    world.helm(&[&["rollback", "mesh", "-n", SYSTEM][..], &wait].concat());
    world.all_rolled_out(SYSTEM);
    runs(world, TAG);
    unharmed("the mesh is back, sidecars are not");
    sidecars(world, TAG);
    finished(&client, &visitor);
    world.forget(HERE);
    world.forget(OUTSIDE);
}

#[track_caller]
fn finished(client: &Remote, visitor: &Remote) {
    let tally = client.end();
    tally.assert_unharmed("from pod to pod", 1000);
    let visits = visitor.end();
    visits.assert_unharmed("the page", 100);
}

/// Waits until every component is of a version, and none of another is still about to end: the API server
/// may have the one that ends inject until then.
#[track_caller]
fn runs(world: &World, tag: &str) {
    let images = "jsonpath={.items[*].spec.containers[*].image}";
    eventually("components of one version", || {
        let images = world.kubectl(&["get", "pods", "-n", SYSTEM, "-o", images]);
        let tagged = |image: &str| image.ends_with(&format!(":{tag}"));
        let all = images.split_whitespace().all(tagged) && !images.is_empty();
        all.then_some(()).ok_or(images)
    });
}

/// Applications get the sidecars of a version.
#[track_caller]
fn sidecars(world: &World, tag: &str) {
    for (namespace, workload) in [
        (HERE, "deployment/server"),
        ("default", "deployment/details-v1"),
        ("default", "deployment/productpage-v1"),
    ] {
        world.kubectl(&["rollout", "restart", workload, "-n", namespace]);
        world.rolled_out(namespace, workload);
    }
    for pod in world.pods(HERE, "app=server") {
        let images = "jsonpath={.spec.initContainers[*].image}";
        let images = world.kubectl(&["get", "pod", &pod.name, "-n", HERE, "-o", images]);
        for image in images.split_whitespace() {
            assert!(image.ends_with(&format!("mesh-proxy:{tag}")), "{images}");
        }
    }
}
