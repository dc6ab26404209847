//! What the control plane tells in plain text, asked by loopback and from elsewhere.

use crate::mesh::Mesh;
use crate::world::Backend;

/// The address of the node that everybody reaches.
const FAR: &str = "10.98.0.1";

/// The status of a page at an address, asked from the node itself.
fn status(mesh: &Mesh, ip: &str, page: &str) -> String {
    let (port, path) = page.split_once('/').unwrap();
    let say = format!("GET /{path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    let heard = mesh.outsider(&format!("{ip}:{port}"), &say);
    heard.split(' ').nth(1).unwrap_or_default().to_owned()
}

#[test]
fn off_loopback_plain_text_tells_health_and_metrics_and_nothing_else() {
    let mesh = Mesh::up(Backend::Nft);
    let _mixer = mesh.start_mixer();
    // Ports of citadel, pilot and mixer, and mixer's of the whole mesh.
    let open = [
        "15014/healthz",
        "15014/readyz",
        "15014/metrics",
        "8080/healthz",
        "8080/readyz",
        "8080/metrics",
        "8081/readyz",
        "8081/metrics",
        "42422/metrics",
    ];
    for page in open {
        assert_eq!(status(&mesh, "127.0.0.1", page), "200", "{page}");
        assert_eq!(status(&mesh, FAR, page), "200", "{page}");
    }
    for page in [
        "8080/debug/syncz",
        "8080/debug/config_status",
        "42422/graph",
    ] {
        assert_eq!(status(&mesh, "127.0.0.1", page), "200", "{page}");
        assert_eq!(status(&mesh, FAR, page), "403", "{page}");
    }
    // What is no page is not told apart from what is.
    assert_eq!(status(&mesh, FAR, "8080/nothing"), "403");
}

#[test]
fn nothing_listens_that_nobody_asked_for() {
    let mesh = Mesh::up(Backend::Nft);
    let _mixer = mesh.start_mixer();
    // Those of the control plane: 9091, 15012 and 8060 speak TLS alone. The others are of the test.
    let asked = [8060, 8080, 8081, 9091, 15012, 15014, 42422];
    let of_test = [80, 3306];
    let table = mesh.node.shell("cat /proc/net/tcp /proc/net/tcp6");
    let listening = table.lines().filter_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        let (own, _, state) = (words.next()?, words.next()?, words.next()?);
        let port = own.rsplit(':').next().filter(|_| state == "0A")?;
        u16::from_str_radix(port, 16).ok()
    });
    let mut ports: Vec<u16> = listening.filter(|port| !of_test.contains(port)).collect();
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(ports, asked);
    for port in [8060, 9091, 15012] {
        let ask = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
        let heard = mesh.outsider_bytes(&format!("{FAR}:{port}"), ask);
        assert!(!heard.starts_with(b"HTTP/"), "{port} speaks plain text");
    }
}
