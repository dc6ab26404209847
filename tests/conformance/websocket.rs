//! WebSocket between a client and a server of Python's `websockets`, through sidecars.

use crate::python;
use crate::world::{Shared, World};

static WORLD: Shared =
    Shared::new(|| World::up(&[python::server("websocket", &[("http", 8080)])], &[]));

/// Through the pair, and through the server's sidecar alone.
#[track_caller]
fn check(case: &str) {
    let world = WORLD.get();
    python::client("websocket", world.outbound("websocket", 8080), case);
    python::client("websocket", world.inbound("websocket", 8080), case);
}

#[test]
fn messages_are_echoed() {
    check("echo");
}

#[test]
fn a_message_of_16_mib_is_echoed() {
    check("large");
}

#[test]
fn fragments_and_pings_pass() {
    check("fragments");
}

#[test]
fn the_server_speaks_first() {
    check("greeting");
}

#[test]
fn either_side_closes_with_its_code_and_reason() {
    check("close");
}

#[test]
fn a_client_that_vanishes_is_missed_by_the_server() {
    check("vanish");
}

#[test]
fn a_refused_upgrade_is_an_ordinary_answer() {
    check("refused");
}

#[test]
fn subprotocol_and_compression_are_negotiated() {
    check("negotiate");
}

#[test]
fn two_hundred_connections_live_side_by_side() {
    check("many");
}
