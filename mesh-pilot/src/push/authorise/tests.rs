use mesh_proto::envoy::google::protobuf::{Struct, Value};

use super::*;

fn node(id: &str, namespace: &str, account: &str) -> Node {
    let text = |text: &str| Value {
        kind: Some(Kind::StringValue(text.into())),
    };
    let fields = [
        ("NAMESPACE".to_owned(), text(namespace)),
        ("SERVICE_ACCOUNT".to_owned(), text(account)),
    ];
    Node {
        id: id.into(),
        metadata: Some(Struct {
            fields: fields.into(),
        }),
        ..Default::default()
    }
}

fn ask(node: &Node, peer: Option<&str>) -> Result<String, (tonic::Code, String)> {
    let world = crate::testing::world(&crate::testing::pod("a", "sa-a"), 1);
    let trust_domain = TrustDomain::parse("cluster.local").unwrap();
    let peer = peer.map(|peer| SpiffeId::parse(peer).unwrap());
    authorise(&world, &trust_domain, node, peer.as_ref())
        .map(|let_in| format!("{:?} {}", let_in.proxy.kind, let_in.proxy.workload))
        .map_err(|why| (why.status().code(), why.to_string()))
}

const ID: &str = "sidecar~127.7.1.1~a.default~default.svc.cluster.local";
const OWN: &str = "spiffe://cluster.local/ns/default/sa/sa-a";

#[track_caller]
fn refused(node: &Node, peer: Option<&str>, code: tonic::Code) {
    assert_eq!(ask(node, peer).unwrap_err().0, code);
}

#[test]
fn a_proxy_is_let_in_as_its_own_pod() {
    let own = node(ID, "default", "sa-a");
    assert_eq!(ask(&own, Some(OWN)), Ok("Sidecar default/a".into()));
    let router = node("router~127.7.1.1~a.default~x", "default", "sa-a");
    assert_eq!(ask(&router, Some(OWN)), Ok("Router default/a".into()));
}

#[test]
fn a_sidecar_that_says_so_has_its_connections_redirected() {
    let mut own = node(ID, "default", "sa-a");
    for (mode, kind) in [
        ("REDIRECT", "Captured"),
        ("NONE", "Sidecar"),
        ("TPROXY", "Sidecar"),
    ] {
        let fields = &mut own.metadata.as_mut().unwrap().fields;
        let mode = Value {
            kind: Some(Kind::StringValue(mode.into())),
        };
        fields.insert("INTERCEPTION_MODE".into(), mode);
        assert_eq!(ask(&own, Some(OWN)), Ok(format!("{kind} default/a")));
    }
}

#[test]
fn a_grpc_library_says_which_generator_it_wants() {
    let mut own = node(ID, "default", "sa-a");
    for (generator, kind) in [("grpc", "Proxyless"), ("", "Sidecar")] {
        let fields = &mut own.metadata.as_mut().unwrap().fields;
        let generator = Value {
            kind: Some(Kind::StringValue(generator.into())),
        };
        fields.insert("GENERATOR".into(), generator);
        assert_eq!(ask(&own, Some(OWN)), Ok(format!("{kind} default/a")));
    }
}

#[test]
fn a_proxy_is_refused_as_anybody_else() {
    use tonic::Code::{InvalidArgument, PermissionDenied, Unauthenticated, Unavailable};
    let own = node(ID, "default", "sa-a");
    refused(&own, None, Unauthenticated);
    // Another trust domain, no workload, another account, another namespace.
    for peer in [
        "spiffe://elsewhere/ns/default/sa/sa-a",
        "spiffe://cluster.local/other",
        "spiffe://cluster.local/ns/default/sa/sa-b",
        "spiffe://cluster.local/ns/other/sa/sa-a",
    ] {
        refused(&own, Some(peer), PermissionDenied);
    }
    // Metadata that fit the certificate do not help: the pod runs as another account.
    let thief = node(ID, "default", "sa-b");
    refused(
        &thief,
        Some("spiffe://cluster.local/ns/default/sa/sa-b"),
        PermissionDenied,
    );
    // A pod of another namespace than the certificate's.
    let other = node("sidecar~1~a.other~x", "default", "sa-a");
    refused(&other, Some(OWN), PermissionDenied);
    for id in [
        "",
        "a.default",
        "sidecar~1~a~x",
        "ztunnel~1~a.default~x",
        "sidecar~1~a.default~x~y",
    ] {
        refused(&node(id, "default", "sa-a"), Some(OWN), InvalidArgument);
    }
    let unknown = node("sidecar~1~b.default~x", "default", "sa-a");
    refused(&unknown, Some(OWN), Unavailable);
}

#[test]
fn a_refusal_says_who_claimed_what() {
    let why = ask(&node(ID, "default", "sa-b"), Some(OWN)).unwrap_err().1;
    assert!(why.starts_with(
        "spiffe://cluster.local/ns/default/sa/sa-a claims to run as default/sa-b (pod default/a)"
    ));
}
