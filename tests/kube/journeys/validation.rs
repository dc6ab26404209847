//! The API server asks pilot before it takes configuration, and takes all else when pilot is down.

use crate::world::{SYSTEM, World};

const HERE: &str = "validation";

/// What is refused: the object, its place that is wrong, and the way out.
const REFUSED: [(&str, &str, &str, &str); 5] = [
    (
        "VirtualService",
        "{hosts: ['*'], http: [{route: [{destination: {host: a}}]}]}",
        "spec.hosts[0]",
        "name a gateway in spec.gateways",
    ),
    (
        "VirtualService",
        "{hosts: [a], http: [{route: [{destination: {host: a}, weight: 0}, {destination: {host: b}, weight: 0}]}]}",
        "spec.http[0].route",
        "give each destination a weight",
    ),
    (
        "VirtualService",
        "{hosts: [a], http: [{route: [{destination: {host: '*'}}]}]}",
        "spec.http[0].route[0].destination.host",
        "is no destination",
    ),
    (
        "DestinationRule",
        "{host: a, subsets: [{name: v1}, {name: v1}]}",
        "spec.subsets[1].name",
        "is the name of an earlier subset",
    ),
    (
        "Gateway",
        "{servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: [short]}]}",
        "spec.servers[0].hosts[0]",
        "a gateway needs full ones",
    ),
];

pub(crate) fn run(world: &World) {
    world.cluster.namespace(HERE);
    let policy = "jsonpath={.webhooks[0].failurePolicy}=Fail";
    world
        .cluster
        .wait(policy, &["validatingwebhookconfiguration/istio-validator"]);
    for (kind, spec, place, hint) in REFUSED {
        let (taken, said) = apply(world, kind, spec);
        assert!(!taken, "{kind} {spec} was taken");
        let name = format!("{} {HERE}/wrong", kind.to_lowercase());
        for part in ["denied the request", &name, place, hint] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
    // What is not there yet may come; to say so is enough.
    let missing = "{hosts: [a], http: [{route: [{destination: {host: a, subset: v7}}]}]}";
    let (taken, said) = apply(world, "VirtualService", missing);
    assert!(taken && said.contains("Warning"), "{said}");
    without_pilot(world);
    world.forget(HERE);
}

/// Nothing but what pilot must be asked about waits for it.
#[track_caller]
fn without_pilot(world: &World) {
    let pilot = "deployment/istio-pilot";
    world.kubectl(&["scale", pilot, "--replicas=0", "-n", SYSTEM]);
    world.gone(SYSTEM, "app=pilot");
    world.kubectl(&[
        "create",
        "configmap",
        "other",
        "-n",
        HERE,
        "--from-literal=a=b",
    ]);
    world.kubectl(&[
        "create",
        "deployment",
        "other",
        "-n",
        HERE,
        "--image=localhost/pause:1",
    ]);
    world.rolled_out(HERE, "deployment/other");
    let good = "{hosts: [a], http: [{route: [{destination: {host: a}}]}]}";
    let (taken, said) = apply(world, "VirtualService", good);
    assert!(
        !taken && said.contains("validation.istio.io"),
        "unchecked: {said}"
    );
    world.kubectl(&["scale", pilot, "--replicas=1", "-n", SYSTEM]);
    world.rolled_out(SYSTEM, pilot);
    mesh_test::eventually("pilot is asked again", || {
        let (taken, said) = apply(world, "VirtualService", good);
        taken.then_some(()).ok_or(said)
    });
}

/// Whether an object is taken, and what is said of it.
#[track_caller]
fn apply(world: &World, kind: &str, spec: &str) -> (bool, String) {
    let object = format!(
        "apiVersion: networking.istio.io/v1\nkind: {kind}\n\
         metadata: {{name: wrong, namespace: {HERE}}}\nspec: {spec}\n"
    );
    let output = world.cluster.fed(&["apply", "-f", "-"], &object);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.success(), said)
}
