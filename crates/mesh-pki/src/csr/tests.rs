use rcgen::{BasicConstraints, IsCa, KeyUsagePurpose};

use super::*;

fn identity() -> SpiffeId {
    SpiffeId::parse("spiffe://cluster.local/ns/default/sa/reviews").unwrap()
}

#[test]
fn our_own_requests_are_read() {
    let key = Key::generate().unwrap();
    let pem = create(&key, &identity()).unwrap();
    assert_eq!(public_key_of(&pem).unwrap(), key.public());
}

#[test]
fn the_label_of_keytool_is_read() {
    let key = Key::generate().unwrap();
    let pem = create(&key, &identity()).unwrap();
    let pem = pem.replace("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST");
    assert_eq!(public_key_of(&pem).unwrap(), key.public());
}

#[test]
fn only_the_key_is_taken_from_a_request_for_a_ca() {
    let key = Key::generate().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let pem = params.serialize_request(key.pair()).unwrap().pem().unwrap();
    assert_eq!(public_key_of(&pem).unwrap(), key.public());
}

#[test]
fn other_texts_are_refused_by_what_they_are() {
    let other = Key::generate().unwrap().to_pem();
    for (text, want) in [
        ("", "not in PEM form"),
        ("MIIB", "not in PEM form"),
        (other.as_str(), "\"PRIVATE KEY\" found"),
    ] {
        let error = public_key_of(text).unwrap_err().to_string();
        assert!(error.contains(want), "{error}");
        assert!(
            !error.contains("MIG"),
            "the error shows key material: {error}"
        );
    }
}

#[test]
fn a_request_with_any_byte_changed_yields_no_other_key() {
    let key = Key::generate().unwrap();
    let pem = create(&key, &identity()).unwrap();
    let (_, block) = parse_x509_pem(pem.as_bytes()).unwrap();
    for at in 0..block.contents.len() {
        let mut changed = block.contents.clone();
        changed[at] ^= 0x01;
        let changed = pem::encode(&pem::Pem::new("CERTIFICATE REQUEST", changed));
        // Bytes outside of what is signed, such as a count of unused bits, may change unseen.
        if let Ok(got) = public_key_of(&changed) {
            assert_eq!(got, key.public(), "byte {at}");
        }
    }
}

#[test]
fn a_request_signed_by_another_key_is_refused() {
    let (one, two) = (Key::generate().unwrap(), Key::generate().unwrap());
    let der = |key: &Key| {
        let pem = create(key, &identity()).unwrap();
        parse_x509_pem(pem.as_bytes()).unwrap().1.contents
    };
    let (mut forged, other) = (der(&one), two.public());
    let at = forged
        .windows(one.public().spki().len())
        .position(|window| window == one.public().spki())
        .unwrap();
    forged.splice(at..at + other.spki().len(), other.spki().iter().copied());
    let forged = pem::encode(&pem::Pem::new("CERTIFICATE REQUEST", forged));
    let error = public_key_of(&forged).unwrap_err();
    assert!(matches!(error, CsrError::Signature(_)), "{error}");
}
