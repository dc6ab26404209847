use mesh_proto::envoy::google::protobuf::{Struct, Value, value::Kind};

use super::*;

fn node() -> Node {
    let text = |text: &str| Value {
        kind: Some(Kind::StringValue(text.into())),
    };
    Node {
        id: "sidecar~127.7.1.1~a.default~x".into(),
        metadata: Some(Struct {
            fields: [
                ("NAMESPACE".to_owned(), text("default")),
                ("SERVICE_ACCOUNT".to_owned(), text("a")),
            ]
            .into(),
        }),
        ..Default::default()
    }
}

fn fleet() -> (Fleet, SpiffeId) {
    let fleet = Fleet::new(TrustDomain::parse("cluster.local").unwrap());
    let peer = SpiffeId::parse("spiffe://cluster.local/ns/default/sa/a").unwrap();
    (fleet, peer)
}

fn known() -> Arc<World> {
    Arc::new(crate::testing::world(&crate::testing::pod("a", "a"), 1))
}

#[test]
fn everybody_waits_for_the_first_world() {
    let (fleet, peer) = fleet();
    let refused = fleet.admit(&node(), Some(&peer)).unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Unavailable);
    fleet.enter(known());
    assert_eq!(fleet.admit(&node(), Some(&peer)).unwrap(), "a.default");
}

#[test]
fn a_proxy_that_comes_back_while_its_old_stream_ends_is_a_member() {
    let (fleet, peer) = fleet();
    fleet.enter(known());
    let key = fleet.admit(&node(), Some(&peer)).unwrap();
    fleet.connected(&key, &node());
    let first = fleet.members();
    // The new stream is admitted, then the old one ends, then the new one is connected.
    fleet.admit(&node(), Some(&peer)).unwrap();
    fleet.gone(&key);
    assert_eq!(fleet.members(), []);
    fleet.connected(&key, &node());
    let second = fleet.members();
    assert_eq!(second.len(), 1);
    assert_ne!(first, second, "it must be published for again");
}
