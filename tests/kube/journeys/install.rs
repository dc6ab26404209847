//! A new user installs mesh and does what it tells him then.

use crate::shop::Shop;
use crate::world::{SYSTEM, World, path};

pub(crate) fn run(world: &World) {
    definitions(world);
    let notes = mesh(world);
    follow(world, &notes);
    world.all_rolled_out("default");
    Shop::of(world).open();
}

/// The kinds: one chart, and the API server serves each of them when it is installed.
#[track_caller]
pub(crate) fn definitions(world: &World) {
    let chart = path("charts/mesh-init");
    world.helm(&[
        "install",
        "mesh-init",
        &chart,
        "-n",
        SYSTEM,
        "--create-namespace",
        "--wait",
    ]);
    assert_eq!(world.cluster.defined(), 62);
}

/// The mesh: what Helm says when everything is ready.
#[track_caller]
pub(crate) fn mesh(world: &World) -> String {
    mesh_with(world, &[])
}

/// The same with more of Helm's flags.
#[track_caller]
pub(crate) fn mesh_with(world: &World, more: &[&str]) -> String {
    let (chart, profile) = (path("charts/mesh"), path("charts/mesh/profiles/demo.yaml"));
    // There is nobody here who makes load balancers.
    let port = "gateways.istio-ingressgateway.type=NodePort";
    let install = [
        "install", "mesh", &chart, "-n", SYSTEM, "-f", &profile, "--set", port,
    ];
    let said = world.helm(&[&install[..], more, &["--wait", "--timeout", "180s"]].concat());
    world.all_show(SYSTEM, &[], "1/1");
    said
}

/// The commands of the notes, word by word.
#[track_caller]
fn follow(world: &World, notes: &str) {
    let commands = notes
        .lines()
        .filter_map(|line| line.strip_prefix("    kubectl "));
    let mut followed = 0;
    for command in commands {
        // They are written for the top of the repository.
        let words = command
            .split_whitespace()
            .map(|word| match word.strip_prefix("samples/") {
                Some(_) => path(word),
                None => word.to_owned(),
            });
        let words: Vec<String> = words.collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        world.kubectl(&words);
        if words.contains(&"label") {
            // Who types is slower than the API server's memory of what was before.
            world.injects("default");
        }
        followed += 1;
    }
    assert_eq!(followed, 5, "{notes}");
}
