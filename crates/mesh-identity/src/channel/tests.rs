use mesh_pki::tls::{Expect, client_config};
use mesh_runtime::SystemClock;
use mesh_test::clock;
use mesh_test::pki::Authority;

use super::*;

fn config() -> ClientConfig {
    let id = "spiffe://cluster.local/ns/default/sa/a";
    let root = Authority::root("cluster.local", clock::now());
    let live = root.live(id, Arc::new(SystemClock));
    client_config(&live, Expect::AnyOf(Vec::new()), &[]).unwrap()
}

#[tokio::test]
async fn addresses_are_host_and_port() {
    for (address, good) in [
        ("127.0.0.1:8060", true),
        ("istio-citadel.istio-system:8060", true),
        ("[::1]:8060", true),
        ("127.0.0.1", false),
        (":8060", false),
        ("host:port", false),
        ("https://host:8060", false),
        ("", false),
    ] {
        assert_eq!(grpc_channel(address, config()).is_ok(), good, "{address}");
    }
}

#[test]
fn http_2_is_negotiated_whatever_the_configuration_says() {
    let mut config = config();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let dial = Dial::new("127.0.0.1:1", None, config).unwrap();
    assert_eq!(dial.tls.config().alpn_protocols, [ALPN_H2]);
}

#[test]
fn a_failed_call_is_told_with_its_causes() {
    let cause = io::Error::other("connection refused");
    let status = tonic::Status::from_error(Box::new(cause));
    let text = describe(&status);
    assert_eq!(text.matches("connection refused").count(), 1, "{text}");
}
