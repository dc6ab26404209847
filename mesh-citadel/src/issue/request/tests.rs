use std::collections::BTreeMap;

use mesh_pki::key::Key;
use prost_types::{Struct, Value};

use super::*;

const OTHER: &str = "spiffe://cluster.local/ns/default/sa/other";

fn request(key: &Key) -> IstioCertificateRequest {
    IstioCertificateRequest {
        csr: csr::create(key, &SpiffeId::parse(OTHER).unwrap()).unwrap(),
        validity_duration: 0,
        metadata: None,
    }
}

fn metadata(name: &str, kind: Kind) -> Option<Struct> {
    let value = Value { kind: Some(kind) };
    let fields = BTreeMap::from([(name.to_owned(), value)]);
    Some(Struct { fields })
}

#[test]
fn a_request_gives_its_key_and_no_name() {
    let key = Key::generate().unwrap();
    let want = CertificateRequest {
        key: key.public(),
        lifetime: None,
        identity: None,
    };
    assert_eq!(CertificateRequest::try_from(&request(&key)).unwrap(), want);
}

#[test]
fn a_lifetime_of_zero_and_less_is_none() {
    let key = Key::generate().unwrap();
    for (seconds, want) in [
        (i64::MIN, None),
        (-1, None),
        (0, None),
        (1, Some(Duration::from_secs(1))),
        (i64::MAX, Some(Duration::from_secs(i64::MAX as u64))),
    ] {
        let asking = IstioCertificateRequest {
            validity_duration: seconds,
            ..request(&key)
        };
        let got = CertificateRequest::try_from(&asking).unwrap();
        assert_eq!(got.lifetime, want, "{seconds}");
    }
}

#[test]
fn an_identity_named_in_the_metadata_is_never_overlooked() {
    let key = Key::generate().unwrap();
    let check = |metadata: Option<Struct>, want: Result<Option<&str>, &str>| {
        let asking = IstioCertificateRequest {
            metadata,
            ..request(&key)
        };
        match (CertificateRequest::try_from(&asking), want) {
            (Ok(got), Ok(want)) => {
                let got = got.identity.map(|identity| identity.to_string());
                assert_eq!(got.as_deref(), want);
            }
            (Err(error), Err(want)) => assert!(error.to_string().contains(want), "{error}"),
            (got, want) => panic!("{got:?}, expected {want:?}"),
        }
    };
    let text = |text: &str| Kind::StringValue(text.to_owned());
    check(metadata("CertSigner", text("any")), Ok(None));
    check(metadata(IMPERSONATED, text(OTHER)), Ok(Some(OTHER)));
    check(
        metadata(IMPERSONATED, text("other")),
        Err("metadata.ImpersonatedIdentity"),
    );
    check(
        metadata(IMPERSONATED, Kind::BoolValue(true)),
        Err("no text"),
    );
}

#[test]
fn a_damaged_request_is_told_by_its_field() {
    let mut asking = request(&Key::generate().unwrap());
    asking.csr = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".into();
    let error = CertificateRequest::try_from(&asking)
        .unwrap_err()
        .to_string();
    assert!(error.starts_with("csr: "), "{error}");
}
