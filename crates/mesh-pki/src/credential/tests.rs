use mesh_test::clock;
use mesh_test::pki::{Authority, Certified, to_pem};

use super::*;

fn leaf() -> Certified {
    let root = Authority::root("cluster.local", clock::fixed().wall());
    root.leaf("spiffe://cluster.local/ns/default/sa/a")
}

use mesh_model::time::Clock as _;

fn chain(leaf: &Certified) -> String {
    let pems = leaf.chain.iter().map(|der| to_pem("CERTIFICATE", der));
    pems.collect()
}

#[test]
fn a_certificate_is_taken_with_its_own_key_alone() {
    let (one, other) = (leaf(), leaf());
    let made = Credential::from_pem(chain(&one).as_bytes(), one.key_pem.as_bytes()).unwrap();
    assert_eq!(made.chain(), chain(&one));
    let wrong = |chain: &str, key: &str| {
        Credential::from_pem(chain.as_bytes(), key.as_bytes()).unwrap_err()
    };
    let mismatch = wrong(&chain(&one), &other.key_pem);
    assert_eq!(mismatch, CredentialError::KeyMismatch);
    assert_eq!(wrong(&chain(&one), "none"), CredentialError::NoKey);
    let none = CredentialError::Certificate(ChainError::Empty);
    assert_eq!(wrong("none", &one.key_pem), none);
}

#[test]
fn a_key_is_never_printed() {
    let leaf = leaf();
    let made = Credential::from_pem(chain(&leaf).as_bytes(), leaf.key_pem.as_bytes()).unwrap();
    let shown = format!("{made:?}");
    assert!(
        shown.contains("serial") && !shown.contains("PRIVATE"),
        "{shown}"
    );
    let body = leaf.key_pem.lines().nth(1).unwrap();
    assert!(!shown.contains(body), "{shown}");
}

#[test]
fn roots_are_certificates() {
    let root = Authority::root("cluster.local", clock::fixed().wall());
    assert_eq!(
        ClientRoots::from_pem(root.pem().as_bytes()).unwrap().pem(),
        root.pem()
    );
    let error = ClientRoots::from_pem(b"none").unwrap_err();
    assert_eq!(error, CredentialError::Roots(ChainError::Empty));
}
