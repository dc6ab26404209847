use super::*;

/// A SEC1 key whose public half is cut off.
const DAMAGED: &str = "-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIDXkn8NYRi7rKKOvHhbq1sV4kOY6Qs7eyuVPqkHoC5F+oAoGCCqGSM49
AwEHoUQDQgAE
-----END EC PRIVATE KEY-----
";

#[test]
fn a_key_survives_pem() {
    let key = Key::generate().unwrap();
    let read = Key::from_pem(&key.to_pem()).unwrap();
    assert_eq!(read.public(), key.public());
    assert!(key.to_pem().starts_with("-----BEGIN PRIVATE KEY-----"));
}

#[test]
fn two_keys_differ() {
    let (one, two) = (Key::generate().unwrap(), Key::generate().unwrap());
    assert_ne!(one.public(), two.public());
}

#[test]
fn a_private_key_is_never_printed() {
    let key = Key::generate().unwrap();
    assert_eq!(format!("{key:?}"), "Key(secret)");
}

#[test]
fn what_is_no_usable_private_key_is_refused() {
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    for (text, want) in [
        ("", "no private key"),
        ("hello", "no private key"),
        (encrypted, "encrypted keys are not supported"),
        (DAMAGED, "cannot be used"),
    ] {
        let error = Key::from_pem(text).unwrap_err().to_string();
        assert!(error.contains(want), "{text}: {error}");
    }
}

fn check_kind(algorithm: &'static rcgen::SignatureAlgorithm, want: Result<(), &str>) {
    let pair = rcgen::KeyPair::generate_for(algorithm).unwrap();
    let spki = pair.subject_public_key_info();
    match (PublicKey::from_spki(&spki), want) {
        (Ok(key), Ok(())) => assert_eq!(key.spki(), spki),
        (Err(error), Err(want)) => assert!(error.to_string().contains(want), "{error}"),
        (got, want) => panic!("{algorithm:?}: {got:?}, expected {want:?}"),
    }
}

#[test]
fn public_keys_are_p256_p384_or_strong_rsa() {
    check_kind(&rcgen::PKCS_ECDSA_P256_SHA256, Ok(()));
    check_kind(&rcgen::PKCS_ECDSA_P384_SHA384, Ok(()));
    check_kind(&rcgen::PKCS_RSA_SHA256, Ok(()));
    check_kind(&rcgen::PKCS_ED25519, Err("key algorithm 1.3.101.112"));
    check_kind(
        &rcgen::PKCS_ECDSA_P521_SHA512,
        Err("elliptic curve 1.3.132.0.35"),
    );
}

/// SubjectPublicKeyInfo of an RSA key with a modulus of the given bytes and exponent 65537.
fn rsa(modulus: &[u8]) -> Vec<u8> {
    fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = u16::try_from(content.len()).unwrap().to_be_bytes();
        [&[tag, 0x82, length[0], length[1]], content].concat()
    }
    let exponent = [0x02, 0x03, 0x01, 0x00, 0x01];
    let key = tagged(0x30, &[tagged(0x02, modulus), exponent.to_vec()].concat());
    let algorithm = [
        0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
    ];
    let bits = tagged(0x03, &[&[0][..], &key].concat());
    tagged(0x30, &[&algorithm[..], &bits].concat())
}

#[test]
fn rsa_keys_are_measured_by_their_bits() {
    let modulus = |head: &[u8], rest: usize| [head, &vec![0xff; rest][..]].concat();
    for (modulus, want) in [
        (modulus(&[0, 0x80], 255), Ok(())),
        (modulus(&[0x7f], 255), Err("an RSA key of 2047 bits")),
        (modulus(&[0, 0x80], 127), Err("an RSA key of 1024 bits")),
        (modulus(&[0, 0x80], 1024), Err("an RSA key of 8200 bits")),
        (vec![0], Err("an RSA key of 0 bits")),
    ] {
        let got = PublicKey::from_spki(&rsa(&modulus)).map(|_| ());
        match want {
            Ok(()) => assert!(got.is_ok(), "{got:?}"),
            Err(want) => assert!(got.unwrap_err().to_string().contains(want), "{want}"),
        }
    }
}

#[test]
fn bytes_behind_a_public_key_are_refused() {
    let mut spki = Key::generate().unwrap().public().spki().to_vec();
    spki.push(0);
    assert!(PublicKey::from_spki(&spki).is_err());
}
