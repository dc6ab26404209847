use mesh_model::ident::TrustDomain;
use mesh_test::clock;
use mesh_test::pki::{Authority, Certified, Defect};

use super::*;

const ID: &str = "spiffe://cluster.local/ns/default/sa/a";

fn root() -> Authority {
    Authority::root("cluster.local", clock::fixed().wall())
}

fn bundle(root: &Authority) -> Arc<TrustBundle> {
    let domain = TrustDomain::parse("cluster.local").unwrap();
    Arc::new(TrustBundle::new(domain, vec![root.der().clone()]).unwrap())
}

fn identity(leaf: &Certified, key_pem: &str, root: &Authority) -> Result<Identity, IdentityError> {
    let key = Key::from_pem(key_pem).unwrap();
    Identity::new(
        leaf.chain.clone(),
        &key,
        bundle(root),
        clock::fixed().wall(),
    )
}

#[test]
fn an_identity_knows_whose_it_is_and_until_when() {
    let root = root();
    let leaf = root.leaf(ID);
    let identity = identity(&leaf, &leaf.key_pem, &root).unwrap();
    assert_eq!(identity.spiffe_id().to_string(), ID);
    assert_eq!(identity.chain(), leaf.chain);
    let hour = std::time::Duration::from_secs(3600);
    assert_eq!(identity.not_after(), clock::fixed().wall() + hour);
}

#[test]
fn what_does_not_belong_together_is_no_identity() {
    let (root, other) = (root(), root());
    let leaf = root.leaf(ID);
    let error = identity(&leaf, other.key_pem(), &root).unwrap_err();
    assert!(matches!(error, IdentityError::KeyMismatch), "{error}");
    let error = identity(&leaf, &leaf.key_pem, &other).unwrap_err();
    assert!(
        matches!(error, IdentityError::Chain(SvidError::Untrusted(_))),
        "{error}"
    );
    let expired = root.defective(ID, Defect::Expired);
    assert!(identity(&expired, &expired.key_pem, &root).is_err());
}

#[test]
fn clones_of_a_live_identity_see_the_replacement() {
    let root = root();
    let (one, two) = (root.leaf(ID), root.leaf(ID));
    let first = identity(&one, &one.key_pem, &root).unwrap();
    let live = LiveIdentity::new(first, Arc::new(clock::fixed()));
    let clone = live.clone();
    live.replace(identity(&two, &two.key_pem, &root).unwrap());
    assert_eq!(clone.current().chain(), two.chain);
}

#[test]
fn an_identity_is_printed_without_its_key() {
    let root = root();
    let leaf = root.leaf(ID);
    let text = format!("{:?}", identity(&leaf, &leaf.key_pem, &root).unwrap());
    assert!(text.contains(ID) && !text.contains("certified"), "{text}");
}
