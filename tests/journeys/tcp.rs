//! An application that does not speak HTTP, and speaks first.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::path::Path;

use mesh_test::eventually::DEADLINE;
use mesh_tests::status::address;
use mesh_tests::{Mesh, Setup};

const GREETING: &[u8] = b"welcome\n";

const STRICT: &str = "\
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: istio-system}
spec:
  mtls: {mode: STRICT}
";

const NO_TLS: &str = "\
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: greeter, namespace: default}
spec:
  host: greeter
  trafficPolicy: {tls: {mode: DISABLE}}
";

fn up() -> Mesh {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("journeys/tcp");
    Setup::default().source(folder).up()
}

/// Where the caller's sidecar listens on behalf of the first service.
fn by_the_mesh(mesh: &Mesh) -> SocketAddr {
    let status = mesh.status();
    let SocketAddr::V4(own) = address(&status.workload("caller").admin) else {
        panic!("the local mesh has IPv4 addresses");
    };
    let [net, mesh, workload, _] = own.ip().octets();
    (Ipv4Addr::new(net, mesh, workload, 11), 7000).into()
}

fn connect(to: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream
}

/// What a client hears that has not said anything.
fn greeted(to: SocketAddr) -> std::io::Result<Vec<u8>> {
    let mut heard = vec![0; GREETING.len()];
    connect(to).read_exact(&mut heard)?;
    Ok(heard)
}

/// Whether a client that says something is sent away.
fn is_refused(to: SocketAddr) -> bool {
    let mut stream = connect(to);
    let mut heard = Vec::new();
    // A refusal may come before anything could be said.
    let _refused = stream.write_all(b"is anybody there?\n");
    let _reset = stream.read_to_end(&mut heard);
    heard.is_empty()
}

#[test]
fn a_server_that_speaks_first_is_heard_in_every_mode() {
    let mesh = up();
    let inside = by_the_mesh(&mesh);
    let inbound = mesh.status().workload("greeter").inbound.clone().unwrap();
    assert!(inbound.starts_with("tcp://"), "{inbound}");
    let outside = address(&inbound);
    assert_eq!(greeted(inside).unwrap(), GREETING, "mutual TLS");
    assert_eq!(greeted(outside).unwrap(), GREETING, "PERMISSIVE");

    mesh.apply(NO_TLS);
    assert_eq!(greeted(inside).unwrap(), GREETING, "plain text inside");

    mesh.apply(STRICT);
    assert!(is_refused(outside), "STRICT takes no plain text");
    assert!(is_refused(inside), "nor from a sidecar");
    mesh.meshctl_ok(&["delete", "destinationrule", "greeter"]);
    assert_eq!(greeted(inside).unwrap(), GREETING, "mutual TLS again");
}

#[test]
fn everything_that_was_said_comes_back_after_the_end() {
    let mesh = up();
    let mut stream = connect(by_the_mesh(&mesh));
    let said: Vec<u8> = (0..5_000_000_u32).flat_map(|at| at.to_le_bytes()).collect();
    let mut heard = Vec::new();
    std::thread::scope(|scope| {
        let mut to = stream.try_clone().unwrap();
        let said = &said;
        scope.spawn(move || {
            to.write_all(said).unwrap();
            to.shutdown(Shutdown::Write).unwrap();
        });
        stream.read_to_end(&mut heard).unwrap();
    });
    let (greeting, echo) = heard.split_at(GREETING.len());
    assert_eq!(greeting, GREETING);
    assert!(echo == said, "{} of {} bytes", echo.len(), said.len());
}
