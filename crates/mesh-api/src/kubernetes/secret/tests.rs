use mesh_model::time::Clock as _;
use mesh_test::clock;
use mesh_test::pki::{Authority, to_pem};
use serde_json::{Value, json};

use super::*;

fn read(value: Value) -> Secret {
    serde_json::from_value(value).unwrap()
}

/// A chain and its key.
fn pair() -> (String, String) {
    let root = Authority::root("a.example", clock::fixed().wall());
    let leaf = root.leaf("spiffe://a.example/a");
    let chain = leaf.chain.iter().map(|der| to_pem("CERTIFICATE", der));
    (chain.collect(), leaf.key_pem)
}

fn base64(text: &str) -> String {
    STANDARD.encode(text)
}

#[test]
fn both_spellings_of_a_certificate_are_read() {
    let (chain, key) = pair();
    for (one, other) in PAIRS {
        let secret = read(json!({"data": {one: base64(&chain), other: base64(&key)}}));
        assert_eq!(secret.certificate.good().unwrap().chain(), chain);
        let secret = read(json!({"stringData": {one: chain, other: key}}));
        assert_eq!(secret.certificate.good().unwrap().chain(), chain);
    }
}

#[test]
fn what_is_wrong_is_said_without_what_is_secret() {
    let ((chain, key), (_, other)) = (pair(), pair());
    let bad = |data: Value| match read(json!({"stringData": data})).certificate {
        Part::Bad(why) => why,
        Part::Missing => "missing".to_owned(),
        Part::Good(_) => "good".to_owned(),
    };
    let mismatch = "the private key does not belong to the certificate";
    assert_eq!(bad(json!({"tls.crt": chain, "tls.key": other})), mismatch);
    assert_eq!(
        bad(json!({"tls.crt": chain})),
        "it has tls.crt and no tls.key"
    );
    assert_eq!(bad(json!({"key": key})), "it has key and no cert");
    assert_eq!(bad(json!({"password": "hunter2"})), "missing");
    let secret = read(json!({"data": {"tls.crt": "%", "tls.key": "%"}}));
    assert_eq!(
        secret.certificate,
        Part::Bad("tls.crt is no base64".to_owned())
    );
}

#[test]
fn roots_may_stand_alone() {
    let root = Authority::root("a.example", clock::fixed().wall());
    for name in ROOTS {
        let secret = read(json!({"stringData": {name: root.pem()}}));
        assert_eq!(secret.roots.good().unwrap().pem(), root.pem());
        assert_eq!(secret.certificate, Part::Missing);
    }
}
