use super::*;
use crate::config::node::tests::mk_workload;

fn text(value: &str) -> Value {
    Value {
        kind: Some(Kind::StringValue(value.to_owned())),
    }
}

fn header(fields: &[(&str, &str)]) -> Vec<u8> {
    let fields = fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), text(value)));
    let message = Struct {
        fields: fields.collect(),
    };
    BASE64.encode(message.encode_to_vec()).into_bytes()
}

#[test]
fn what_we_send_is_understood_by_the_other_side() {
    let own = own_metadata(&mk_workload());
    let side = decode(own.value()).unwrap();
    assert_eq!(
        side,
        Side {
            workload: "reviews-v1".into(),
            namespace: "default".into(),
            canonical_service: "reviews".into(),
            canonical_revision: "v1".into(),
            app: "reviews".into(),
            version: "v1".into(),
            cluster: "Kubernetes".into(),
        }
    );
    assert_eq!(side, Side::own(&mk_workload()));
}

#[test]
fn base64_without_padding_is_read_too() {
    let own = own_metadata(&mk_workload());
    let text = std::str::from_utf8(own.value()).unwrap();
    assert!(decode(text.trim_end_matches('=').as_bytes()).is_some());
}

#[test]
fn rubbish_is_nobody() {
    assert_eq!(decode(b"!!!"), None);
    assert_eq!(decode(b"/////w=="), None);
    assert_eq!(decode(&vec![b'A'; MAX_HEADER + 4]), None);
    assert_eq!(decode(b""), Some(Side::unknown()));
}

#[test]
fn words_of_a_peer_are_bounded() {
    let long = "x".repeat(MAX_VALUE + 1);
    let side = decode(&header(&[("WORKLOAD_NAME", &long), ("NAMESPACE", "a\nb")])).unwrap();
    assert_eq!(side, Side::unknown());
}

#[test]
fn an_endpoint_names_its_workload() {
    let side = learn(b"", "reviews-v2;default;reviews;v2;Kubernetes", "");
    assert_eq!(
        (side.workload.as_str(), side.version.as_str()),
        ("reviews-v2", "v2")
    );
    let bare = learn(b"", "reviews;default;reviews;latest;", "");
    assert_eq!(
        (bare.version.as_str(), bare.cluster.as_str()),
        ("unknown", "unknown")
    );
}

#[test]
fn the_namespace_of_the_certificate_counts() {
    let told = header(&[("WORKLOAD_NAME", "w"), ("NAMESPACE", "elsewhere")]);
    let side = learn(&told, "", "spiffe://cluster.local/ns/default/sa/a");
    assert_eq!(
        (side.workload.as_str(), side.namespace.as_str()),
        ("w", "default")
    );
}

#[test]
fn a_header_seen_before_is_not_read_again() {
    let mut peers = Peers::new();
    let told = header(&[("WORKLOAD_NAME", "w")]);
    let first = peers.remembered(&told, "", "");
    assert!(Rc::ptr_eq(&first, &peers.remembered(&told, "", "")));
    for n in 0..3 * MAX_PEERS {
        peers.remembered(&header(&[("WORKLOAD_NAME", &n.to_string())]), "", "");
    }
    assert!(peers.len() <= MAX_PEERS);
}

#[test]
fn who_is_not_met_any_more_is_forgotten() {
    let mut peers = Peers::new();
    let pod = |name: &str| header(&[("NAME", name), ("WORKLOAD_NAME", "w")]);
    peers.remembered(&pod("a"), "", "");
    let stays = pod("b");
    for pods in 0..100 {
        peers.remembered(&stays, "", "");
        peers.remembered(&pod(&format!("c-{pods}")), "", "");
        peers.sweep();
    }
    // Those of the last sweeps, and the one that was met in each.
    assert_eq!(peers.len(), usize::from(KEPT_SWEEPS) + 1);
}

#[test]
fn pods_of_a_workload_are_one_peer() {
    let mut peers = Peers::new();
    let pod = |name: &str| header(&[("NAME", name), ("WORKLOAD_NAME", "w")]);
    let first = peers.remembered(&pod("a"), "", "");
    assert!(Rc::ptr_eq(&first, &peers.remembered(&pod("b"), "", "")));
    let other = header(&[("NAME", "a"), ("WORKLOAD_NAME", "v")]);
    assert!(!Rc::ptr_eq(&first, &peers.remembered(&other, "", "")));
}
