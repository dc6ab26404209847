//! What a request may ask for, and what it gets.

use std::collections::BTreeMap;
use std::time::Duration;

use mesh_pki::chain;
use mesh_proto::istio_ca::IstioCertificateRequest;
use prost_types::value::Kind;
use prost_types::{Struct, Value};
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, KeyUsagePurpose, SanType};
use tonic::Code;

use super::house::{HOUR, House, openssl, request};

const OWN: &str = "spiffe://cluster.local/ns/default/sa/reviews";

/// Asks with a good token and returns the leaf's facts.
async fn leaf(house: &House, request: IstioCertificateRequest) -> chain::CertificateFacts {
    let token = format!("Bearer {}", house.admit("reviews"));
    let answer = house.ask(Some(&token), request).await.unwrap();
    let leaf = chain::from_pem(&answer[0]).unwrap();
    chain::facts(&leaf[0]).unwrap()
}

fn with_csr(csr: String) -> IstioCertificateRequest {
    IstioCertificateRequest { csr, ..request() }
}

#[tokio::test]
async fn a_request_for_a_ca_of_another_name_gets_a_leaf_of_its_own() {
    let house = House::open().await;
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let other = "spiffe://cluster.local/ns/istio-system/sa/istio-pilot-service-account";
    params.subject_alt_names = vec![
        SanType::URI(other.try_into().unwrap()),
        SanType::DnsName("example.com".try_into().unwrap()),
    ];
    let csr = params
        .serialize_request(&KeyPair::generate().unwrap())
        .unwrap();
    let leaf = leaf(&house, with_csr(csr.pem().unwrap())).await;
    assert_eq!(leaf.uris, [OWN]);
    assert!(!leaf.is_ca && !leaf.signs_certificates);
}

/// Requests as `openssl req` makes them, with extensions that rcgen's own parser would refuse.
#[tokio::test]
async fn requests_of_openssl_are_served() {
    let house = House::open().await;
    let config = house.path("request.cnf");
    std::fs::write(
        &config,
        "[req]\nprompt=no\ndistinguished_name=dn\nreq_extensions=ext\n[dn]\nO=Example\n\
         [ext]\nsubjectKeyIdentifier=hash\nkeyUsage=digitalSignature\nnsComment=\"hello\"\n\
         subjectAltName=DNS:example.com\n",
    )
    .unwrap();
    let (key, config) = (house.path("key.pem"), config.display().to_string());
    let key = key.display().to_string();
    for algorithm in [
        &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"][..],
        &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
        &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
    ] {
        openssl(&[&["genpkey", "-out", &key], algorithm].concat());
        let csr = openssl(&["req", "-new", "-key", &key, "-config", &config]);
        let leaf = leaf(&house, with_csr(csr)).await;
        assert_eq!(leaf.uris, [OWN], "{algorithm:?}");
    }
}

#[tokio::test]
async fn what_is_no_sound_request_is_invalid() {
    let house = House::open().await;
    let key = house.path("key.pem").display().to_string();
    let weak = ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"];
    openssl(&[&["genpkey", "-out", &key], &weak[..]].concat());
    let weak = openssl(&["req", "-new", "-key", &key, "-subj", "/O=x"]);
    let token = format!("Bearer {}", house.admit("reviews"));
    for (csr, want) in [
        (String::new(), "not in PEM form"),
        (
            "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n".into(),
            "damaged",
        ),
        (weak, "an RSA key of 1024 bits"),
    ] {
        let status = house.ask(Some(&token), with_csr(csr)).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(
            status.message().contains(want),
            "{want}: {}",
            status.message()
        );
    }
}

#[tokio::test]
async fn a_lifetime_is_given_as_asked_or_refused() {
    let house = House::open().await;
    for (asked, want) in [
        (0, HOUR),
        (-1, HOUR),
        (60, Duration::from_secs(60)),
        (7200, 2 * HOUR),
    ] {
        let asking = IstioCertificateRequest {
            validity_duration: asked,
            ..request()
        };
        let leaf = leaf(&house, asking).await;
        // Two minutes of the validity lie in the past.
        let lifetime = leaf.not_after.duration_since(leaf.not_before).unwrap();
        assert_eq!(lifetime, want + Duration::from_secs(120), "{asked}");
    }
    let token = format!("Bearer {}", house.admit("reviews"));
    let asking = IstioCertificateRequest {
        validity_duration: 7201,
        ..request()
    };
    let status = house.ask(Some(&token), asking).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().contains("validity_duration"), "{status}");
}

#[tokio::test]
async fn nobody_may_name_another_identity() {
    let house = House::open().await;
    let token = format!("Bearer {}", house.admit("reviews"));
    for (identity, want) in [
        (OWN, Ok(())),
        (
            "spiffe://cluster.local/ns/default/sa/ratings",
            Err(Code::Unauthenticated),
        ),
        ("ratings", Err(Code::InvalidArgument)),
    ] {
        let value = Value {
            kind: Some(Kind::StringValue(identity.into())),
        };
        let fields = BTreeMap::from([("ImpersonatedIdentity".to_owned(), value)]);
        let asking = IstioCertificateRequest {
            metadata: Some(Struct { fields }),
            ..request()
        };
        let got = house.ask(Some(&token), asking).await;
        assert_eq!(got.map(|_| ()).map_err(|s| s.code()), want, "{identity}");
    }
}

#[tokio::test]
async fn a_request_that_is_too_large_is_refused_unread() {
    let house = House::open().await;
    let token = format!("Bearer {}", house.admit("reviews"));
    let huge = with_csr("A".repeat(64 * 1024));
    let status = house.ask(Some(&token), huge).await.unwrap_err();
    assert_eq!(status.code(), Code::OutOfRange);
}
