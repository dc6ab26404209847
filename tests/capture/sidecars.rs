//! Applications that know nothing of the mesh, in pods with sidecars and capture: what they call, what
//! they see of their callers, and what nobody gets through to.

use crate::mesh::Mesh;
use crate::world::Backend;

/// What a server's application is told of the client behind its sidecar.
const CLIENT: &str = "URI=spiffe://cluster.local/ns/default/sa/client";
/// The sidecar calls its application from here.
const FROM_SIDECAR: &str = "from 127.0.0.6\n";

#[track_caller]
fn contains(heard: &str, wanted: &[&str]) {
    for wanted in wanted {
        assert!(heard.contains(wanted), "no {wanted:?} in {heard:?}");
    }
}

#[test]
fn a_service_is_called_by_its_address_and_knows_its_client() {
    let mesh = Mesh::up(Backend::IptablesNft);
    let served = ["HTTP/1.1 200", "server ", FROM_SIDECAR, CLIENT];
    contains(&mesh.ask("10.96.0.2:80", "10.96.0.2"), &served);
    contains(&mesh.ask("10.96.0.2:80", "server"), &served);
    contains(&mesh.ask("[fd96::2]:80", "[fd96::2]"), &served);
    // Ports that declare nothing are told by the first bytes; others are passed on at once.
    contains(&mesh.ask("10.96.0.2:7000", "server:7000"), &served);
    let heard = mesh.say("10.96.0.2:9000", "");
    assert_eq!(heard, "server 10.98.2.2:9000 from 127.0.0.6");
}

#[test]
fn whatever_the_mesh_does_not_know_passes_as_it_is() {
    let mesh = Mesh::up(Backend::Nft);
    let heard = mesh.ask("198.51.100.7:80", "shop.example.com");
    contains(
        &heard,
        &["outside from 10.98.1.2", "host: shop.example.com"],
    );
    let heard = mesh.ask("[2001:db8::7]:80", "shop.example.com");
    contains(&heard, &["outside from fd98:1::2"]);
    // Whoever speaks first there is heard.
    let heard = mesh.say("198.51.100.7:3306", "");
    assert_eq!(heard, "outside 198.51.100.7:3306 from 10.98.1.2");
    let heard = mesh.say("[2001:db8::7]:3306", "");
    assert_eq!(heard, "outside [2001:db8::7]:3306 from fd98:1::2");
}

#[test]
fn nobody_from_outside_of_the_mesh_gets_in_where_mutual_tls_is_strict() {
    let mesh = Mesh::up(Backend::IptablesNft);
    for to in ["10.98.2.2:8080", "[fd98:2::2]:8080", "10.98.2.2:9000"] {
        assert_eq!(
            mesh.outsider(to, "GET / HTTP/1.1\r\nhost: server\r\n\r\n"),
            ""
        );
    }
    // Nor by ports that nobody declares.
    assert_eq!(mesh.outsider("10.98.2.2:1234", "hello\r\n"), "");
    assert!(mesh.server.refused("plaintext_refused") >= 4);
}

#[test]
fn direct_calls_of_a_sidecars_ports_are_refused_and_counted() {
    let mesh = Mesh::up(Backend::IptablesNft);
    for (done, port) in [(1, 15001), (2, 15006)] {
        let heard = mesh.outsider(&format!("10.98.2.2:{port}"), "hello\r\n");
        assert_eq!(heard, "");
        assert_eq!(mesh.server.refused("own_port"), done, "{port}");
    }
    for (done, to) in [
        (1, "127.0.0.1:15001"),
        (2, "127.0.0.1:15006"),
        (3, "10.98.1.2:15001"),
    ] {
        assert_eq!(mesh.say(to, "hello\r\n"), "");
        assert_eq!(mesh.client.refused("own_port"), done, "{to}");
    }
    // Another workload's, through the own sidecar.
    assert_eq!(mesh.say("10.98.2.2:15006", "hello\r\n"), "");
    assert_eq!(mesh.say("10.98.2.2:15001", "hello\r\n"), "");
}

#[test]
fn a_workload_that_calls_its_own_service_reaches_itself_by_its_inbound_side() {
    let mesh = Mesh::up(Backend::Nft);
    let heard = mesh.ask("10.96.0.1:80", "client");
    contains(&heard, &["HTTP/1.1 200", "client ", FROM_SIDECAR, CLIENT]);
    assert_eq!(heard.matches("By=").count(), 1, "{heard}");
    let heard = mesh.say("10.96.0.1:9000", "");
    assert_eq!(heard, "client 10.98.1.2:9000 from 127.0.0.6");
    assert_eq!(mesh.client.refused("own_port"), 0);
}

#[test]
fn nothing_goes_round_a_sidecar_that_was_killed() {
    let mut mesh = Mesh::up(Backend::IptablesNft);
    mesh.server.sidecar.kill();
    for to in ["10.98.2.2:8080", "[fd98:2::2]:8080", "10.98.2.2:9000"] {
        assert_eq!(mesh.outsider(to, ""), "refused");
    }
    contains(&mesh.ask("10.96.0.2:80", "server"), &["HTTP/1.1 503"]);
    mesh.client.sidecar.kill();
    for to in ["10.96.0.2:80", "198.51.100.7:80", "[2001:db8::7]:80"] {
        assert_eq!(mesh.ask(to, "server"), "refused");
    }
}
