//! An independent TLS client, `openssl s_client`, sees what we promise of a sidecar's certificate.

use std::process::{Command, Stdio};

use mesh_tests::Setup;
use mesh_tests::status::address;

#[test]
fn openssl_sees_a_chain_to_the_root_with_one_spiffe_name() {
    let mesh = Setup::bookinfo().up();
    let reviews = address(
        mesh.status()
            .workload("reviews-v1")
            .inbound
            .as_deref()
            .unwrap(),
    );
    let authority = mesh.authority();
    let friend = authority.leaf("spiffe://cluster.local/ns/default/sa/friend");
    let folder = tempfile::TempDir::new().unwrap();
    let file = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let chain: String = friend
        .chain
        .iter()
        .map(|der| mesh_test::pki::to_pem("CERTIFICATE", der))
        .collect();
    std::fs::write(file("cert.pem"), chain).unwrap();
    std::fs::write(file("key.pem"), &friend.key_pem).unwrap();
    let root = mesh
        .state()
        .join("ca/root-cert.pem")
        .to_string_lossy()
        .into_owned();

    let shown = Command::new("openssl")
        .args([
            "s_client",
            "-connect",
            &reviews.to_string(),
            "-alpn",
            "istio,http/1.1",
            "-showcerts",
        ])
        .args([
            "-verify_return_error",
            "-CAfile",
            &root,
            "-cert",
            &file("cert.pem"),
            "-key",
            &file("key.pem"),
        ])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(
        text.contains("Verify return code: 0 (ok)"),
        "{text}{}",
        String::from_utf8_lossy(&shown.stderr)
    );
    assert!(text.contains("ALPN protocol: http/1.1"), "{text}");

    let begin = text.find("-----BEGIN CERTIFICATE-----").unwrap();
    let end = text.find("-----END CERTIFICATE-----").unwrap();
    std::fs::write(
        file("leaf.pem"),
        format!("{}-----END CERTIFICATE-----\n", &text[begin..end]),
    )
    .unwrap();
    let read = Command::new("openssl")
        .args(["x509", "-noout", "-text", "-in", &file("leaf.pem")])
        .output()
        .unwrap();
    let leaf = String::from_utf8_lossy(&read.stdout).into_owned();
    assert!(
        leaf.contains("URI:spiffe://cluster.local/ns/default/sa/bookinfo-reviews"),
        "{leaf}"
    );
    assert_eq!(leaf.matches("URI:").count(), 1, "{leaf}");
    assert!(
        leaf.contains("X509v3 Subject Alternative Name: critical"),
        "{leaf}"
    );
    assert!(leaf.contains("CA:FALSE"), "{leaf}");
    assert!(leaf.contains("ASN1 OID: prime256v1"), "{leaf}");
    assert!(
        leaf.contains("Digital Signature") && !leaf.contains("Certificate Sign"),
        "{leaf}"
    );
}
