//! The namespace goes from taking anything to mutual TLS alone, while it is used.

use mesh_test::eventually;
use serde_json::{Value, json};

use crate::app::App;
use crate::evidence::Door;
use crate::remote::{Remote, fetch};
use crate::world::{Pod, World};

const HERE: &str = "strict";
const OUTSIDE: &str = "outside";
const SERVER: &str = "http://server.strict/";
const ALIAS: &str = "http://alias.outside/";

pub(crate) fn run(world: &World) {
    world.meshed(HERE);
    world.cluster.namespace(OUTSIDE);
    App::new(HERE, "server").replicas(2).apply(world);
    App::new(HERE, "client").apply(world);
    App::new(OUTSIDE, "stranger").deploy(world);
    world.all_rolled_out(HERE);
    let client = world.remote(HERE, "client");
    let stranger = world.remote(OUTSIDE, "stranger");

    // Both may call, and only one of them is known.
    eventually("the mesh's own call", || known(&client, SERVER));
    // Whose call finds the server by kube-proxy, in its own time.
    let plain = || stranger.get(SERVER)?.caller();
    let seen = eventually("a stranger's call", plain);
    assert_eq!(seen, "", "a stranger has no certificate");

    alias(world);
    client.load(SERVER, 100, "server");
    mode(world, "STRICT");
    eventually("plain text is refused", || match stranger.get(SERVER) {
        Ok(answered) => Err(answered),
        Err(why) => Ok(why),
    });
    for pod in world.pods(HERE, "app=server") {
        // The stranger's connection went to one of them.
        let direct = format!("http://{}:8080/", pod.address);
        eventually("by its address, too", || match fetch(&direct, &[]) {
            Ok(answered) => Err(answered),
            Err(why) => Ok(why),
        });
        identity(world, &pod);
    }
    known(&client, SERVER).unwrap();
    eventually("by another name, too", || known(&client, ALIAS));
    client.goes_on(100);
    mode(world, "PERMISSIVE");
    eventually("plain text is taken again", plain);
    client.end().assert_unharmed("the mesh's own calls", 100);
    world.forget(HERE);
    world.forget(OUTSIDE);
}

/// Another name of the server, in another namespace.
#[track_caller]
fn alias(world: &World) {
    world.cluster.apply(&json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "alias", "namespace": OUTSIDE},
        "spec": {"type": "ExternalName", "externalName": "server.strict.svc.cluster.local"},
    }));
}

/// That the server answers 200 and knows who calls.
fn known(client: &Remote, url: &str) -> Result<(), String> {
    let caller = client.get(url)?.caller()?;
    let expected = "URI=spiffe://cluster.local/ns/strict/sa/default";
    caller.contains(expected).then_some(()).ok_or(caller)
}

#[track_caller]
fn mode(world: &World, mode: &str) {
    world.cluster.apply(&json!({
        "apiVersion": "security.istio.io/v1",
        "kind": "PeerAuthentication",
        "metadata": {"name": "default", "namespace": HERE},
        "spec": {"mtls": {"mode": mode}},
    }));
}

/// That a sidecar shows a certificate with the name of its pod's account, and no key.
#[track_caller]
fn identity(world: &World, pod: &Pod) {
    let door = Door::to(world, pod, 15000);
    let (status, text) = fetch(&format!("{}/certs", door.url), &[]).unwrap();
    assert_eq!(status, 200, "{text}");
    let page: Value = serde_json::from_str(&text).unwrap();
    let expected = json!([{"uri": "spiffe://cluster.local/ns/strict/sa/default"}]);
    let chain = &page["certificates"][0]["cert_chain"][0];
    assert_eq!(chain["subject_alt_names"], expected, "{page:#}");
    assert!(!text.contains("PRIVATE"), "{text}");
}
