//! Applications that know nothing of the mesh reach whom they call, and are reached, through sidecars.

use std::io::{Read, Write};
use std::net::TcpListener;

use mesh_test::eventually;
use mesh_tests::Metrics;

use crate::app::App;
use crate::evidence::Door;
use crate::remote::{Remote, fetch};
use crate::world::{Pod, World};

const HERE: &str = "capture";
const OUTSIDE: &str = "uncaptured";

pub(crate) fn run(world: &World) {
    world.meshed(HERE);
    world.cluster.namespace(OUTSIDE);
    let services = format!("10.{}.0.0/16", 96 + number(world));
    App::new(HERE, "left").apply(world);
    App::new(HERE, "right").apply(world);
    let port = "traffic.sidecar.istio.io/excludeOutboundPorts";
    App::new(HERE, "by-port")
        .annotation(port, "80")
        .apply(world);
    let range = "traffic.sidecar.istio.io/excludeOutboundIPRanges";
    App::new(HERE, "by-range")
        .annotation(range, &services)
        .apply(world);
    App::new(OUTSIDE, "stranger").deploy(world);
    world.all_rolled_out(HERE);

    everything(world);
    proxy_mode(world, "nftables");
    everything(world);
    proxy_mode(world, "iptables");
    everything(world);
    sidecar_down(world);
    world.forget(HERE);
    world.forget(OUTSIDE);
}

fn number(world: &World) -> u8 {
    world.cluster.id().parse().unwrap()
}

/// Revives kube-proxy with other rules for Services.
#[track_caller]
fn proxy_mode(world: &World, mode: &str) {
    world.cluster.stop("proxy");
    world.cluster.start_proxy(mode);
    let health = format!("http://10.200.{}.2:10256/healthz", number(world));
    eventually("kube-proxy", || match fetch(&health, &[]) {
        Ok((200, _)) => Ok(()),
        other => Err(other),
    });
}

#[track_caller]
fn everything(world: &World) {
    let (left, right) = (world.pod(HERE, "app=left"), world.pod(HERE, "app=right"));
    let stranger = world.pod(OUTSIDE, "app=stranger");
    both_directions(&Remote::of(&left), &Remote::of(&right));
    bytes(&Remote::of(&left));
    exclusions(world);
    unknown(world, &Remote::of(&left), &stranger);
    itself(&left);
    own_ports(world, &left, &Remote::of(&stranger));
}

/// Each calls the other by name, and is known to it.
#[track_caller]
fn both_directions(left: &Remote, right: &Remote) {
    for (caller, url) in [(left, "http://right/"), (right, "http://left.capture:80/")] {
        eventually(url, || known(caller, url));
    }
}

fn known(caller: &Remote, url: &str) -> Result<(), String> {
    let certificate = caller.get(url)?.caller()?;
    let expected = "URI=spiffe://cluster.local/ns/capture/sa/default";
    certificate
        .contains(expected)
        .then_some(())
        .ok_or(certificate)
}

/// What is no HTTP, also where the server speaks first.
#[track_caller]
fn bytes(caller: &Remote) {
    for (address, said, expected) in [
        ("right:8081", "hello", "hello"),
        ("right:8082", "", "welcome\n"),
    ] {
        let heard = eventually(address, || caller.open(address, said));
        assert_eq!(heard, expected, "{address}");
    }
}

/// What is excluded goes past the sidecar, in plain text.
#[track_caller]
fn exclusions(world: &World) {
    for app in ["by-port", "by-range"] {
        let caller = world.remote(HERE, app);
        let seen = eventually(app, || caller.get("http://right/")?.caller());
        assert_eq!(seen, "", "{app}");
    }
}

/// Addresses that no Service has: of a pod without a sidecar, and of the machine.
#[track_caller]
fn unknown(world: &World, caller: &Remote, stranger: &Pod) {
    let url = format!("http://{}:8080/", stranger.address);
    let seen = eventually("a stranger by address", || caller.get(&url)?.caller());
    assert_eq!(seen, "");
    let listener = TcpListener::bind((format!("10.200.{}.1", number(world)), 0)).unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let machine = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _request = stream.read(&mut [0; 4096]).unwrap();
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nmachine";
        stream.write_all(answer.as_bytes()).unwrap();
    });
    let answered = caller.get(&url).unwrap();
    assert_eq!((answered.status, answered.body.as_str()), (200, "machine"));
    machine.join().unwrap();
}

/// A pod that calls its own Service, and its own address.
#[track_caller]
fn itself(pod: &Pod) {
    let caller = Remote::of(pod);
    let own = format!("http://{}:8080/", pod.address);
    for url in ["http://left/", own.as_str()] {
        let answered = eventually(url, || match caller.get(url) {
            Ok(answered) if answered.status == 200 => Ok(answered),
            other => Err(other),
        });
        assert_eq!(answered.seen()["pod"], pod.name.as_str(), "{url}");
    }
}

/// Whoever calls the sidecar's own ports is refused, and calls nobody in a circle.
#[track_caller]
fn own_ports(world: &World, pod: &Pod, stranger: &Remote) {
    let door = Door::to(world, pod, 15000);
    let refused = || {
        let (_, page) = fetch(&format!("{}/stats/prometheus", door.url), &[]).unwrap();
        let reason = [("reason", "own_port")];
        Metrics::parse(&page).sum("mesh_proxy_failures_total", &reason)
    };
    let before = refused();
    let says = "GET / HTTP/1.1\r\nhost: left\r\n\r\n";
    for port in [15001, 15006] {
        let heard = stranger.open(&format!("{}:{port}", pod.address), says);
        assert!(heard.is_err(), "{port}: {heard:?}");
    }
    eventually("both are counted, once", || match refused() - before {
        2 => Ok(()),
        other => Err(other),
    });
}

/// Nothing goes round a sidecar that does not run.
#[track_caller]
fn sidecar_down(world: &World) {
    let (left, right) = (world.pod(HERE, "app=left"), world.pod(HERE, "app=right"));
    let stranger = world.remote(OUTSIDE, "stranger");
    let (url, direct) = ("http://right/", format!("{}:8081", left.address));
    let heard = eventually("who calls it", || stranger.open(&direct, "hello"));
    assert_eq!(heard, "hello");
    // The kubelet revives it at once the first time, and then after ten seconds.
    world.kill(&left, "istio-proxy");
    revived(world, &left, 1);
    world.kill(&left, "istio-proxy");
    let out = Remote::of(&left).get(url).map(|answered| answered.status);
    assert!(out.is_err(), "what it calls: {out:?}");
    let inwards = stranger.open(&direct, "hello");
    assert!(inwards.is_err(), "who calls it: {inwards:?}");
    revived(world, &left, 2);
    eventually("it is back", || known(&Remote::of(&left), url));
    eventually("for others, too", || {
        known(&Remote::of(&right), "http://left/")
    });
}

/// Waits until the sidecar runs for the so manieth time after the first.
#[track_caller]
fn revived(world: &World, pod: &Pod, times: u32) {
    let sidecar = "jsonpath={.status.initContainerStatuses[?(@.name==\"istio-proxy\")]";
    let named = format!("pod/{}", pod.name);
    for state in [
        format!(".restartCount}}={times}"),
        ".started}=true".to_owned(),
    ] {
        let state = format!("{sidecar}{state}");
        world.cluster.wait(&state, &[&named, "-n", HERE]);
    }
}
