//! openssl as a judge that knows nothing of our code, and the files of the CA.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::house::{House, openssl, request};

#[tokio::test]
async fn openssl_verifies_a_leaf_and_reads_what_was_meant() {
    let house = House::open().await;
    let token = format!("Bearer {}", house.admit("reviews"));
    let answer = house.ask(Some(&token), request()).await.unwrap();
    assert_eq!(answer.len(), 2);
    assert_eq!(answer[1], house.roots(), "the roots come last");
    let leaf = house.path("leaf.pem").display().to_string();
    std::fs::write(&leaf, &answer[0]).unwrap();
    let roots = house.path("ca/root-cert.pem").display().to_string();
    for purpose in ["sslclient", "sslserver"] {
        let strict = [
            "-x509_strict",
            "-purpose",
            purpose,
            "-CAfile",
            &roots,
            &leaf,
        ];
        openssl(&[&["verify"], &strict[..]].concat());
    }
    let text = openssl(&["x509", "-in", &leaf, "-noout", "-text"]);
    let text: Vec<_> = text.lines().map(str::trim).collect();
    for [title, content] in [
        [
            "X509v3 Subject Alternative Name: critical",
            "URI:spiffe://cluster.local/ns/default/sa/reviews",
        ],
        ["X509v3 Key Usage: critical", "Digital Signature"],
        ["X509v3 Basic Constraints: critical", "CA:FALSE"],
        [
            "X509v3 Extended Key Usage:",
            "TLS Web Server Authentication, TLS Web Client Authentication",
        ],
    ] {
        assert!(
            text.windows(2).any(|lines| lines == [title, content]),
            "{title}: {text:#?}"
        );
    }
    assert!(text.contains(&"Subject:"), "{text:#?}");
}

#[tokio::test]
async fn the_root_is_a_spiffe_root_and_its_key_is_private() {
    let house = House::open().await;
    let roots = house.path("ca/root-cert.pem").display().to_string();
    openssl(&["verify", "-x509_strict", "-CAfile", &roots, &roots]);
    let text = openssl(&["x509", "-in", &roots, "-noout", "-text"]);
    for want in [
        "URI:spiffe://cluster.local\n",
        "Certificate Sign, CRL Sign",
        "CA:TRUE",
    ] {
        assert!(text.contains(want), "{want}: {text}");
    }
    let key = std::fs::metadata(house.path("ca/ca-key.pem")).unwrap();
    assert_eq!(key.permissions().mode() & 0o777, 0o600);
}

/// Puts a root of openssl's make into `ca`, over a key that `make_key` writes.
fn provide_root(ca: &Path, make_key: &[&str]) {
    let path = |name: &str| ca.join(name).display().to_string();
    let key = path("ca-key.pem");
    openssl(&[make_key, &["-out", &key]].concat());
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let root = path("ca-cert.pem");
    let extensions = [
        "-addext",
        "basicConstraints=critical,CA:TRUE",
        "-addext",
        "keyUsage=critical,keyCertSign,cRLSign",
    ];
    let request = [
        "req",
        "-x509",
        "-new",
        "-subj",
        "/C=XX/O=Example/CN=Root",
        "-days",
        "30",
    ];
    let config = path("none.cnf");
    std::fs::write(&config, "[req]\ndistinguished_name=dn\n[dn]\n").unwrap();
    let files = ["-config", &config, "-key", &key, "-out", &root];
    openssl(&[&request[..], &extensions, &files].concat());
    std::fs::copy(&root, path("root-cert.pem")).unwrap();
}

#[tokio::test]
async fn a_root_of_openssls_make_signs_with_its_own_kind_of_key() {
    for make_key in [
        &["ecparam", "-name", "prime256v1", "-genkey", "-noout"][..],
        &["ecparam", "-name", "secp384r1", "-genkey", "-noout"],
        &[
            "genpkey",
            "-algorithm",
            "RSA",
            "-pkeyopt",
            "rsa_keygen_bits:2048",
        ],
    ] {
        let house = House::with_ca(|ca| provide_root(ca, make_key)).await;
        let token = format!("Bearer {}", house.admit("reviews"));
        let answer = house.ask(Some(&token), request()).await.unwrap();
        let leaf = house.path("leaf.pem").display().to_string();
        std::fs::write(&leaf, &answer[0]).unwrap();
        let roots = house.path("ca/root-cert.pem").display().to_string();
        openssl(&["verify", "-x509_strict", "-CAfile", &roots, &leaf]);
    }
}

#[tokio::test]
async fn the_root_outlives_a_restart() {
    let mut house = House::open().await;
    let before = house.roots();
    house.stop().await;
    house.start().await;
    assert_eq!(house.roots(), before);
    let token = format!("Bearer {}", house.admit("reviews"));
    house.ask(Some(&token), request()).await.unwrap();
}

#[tokio::test]
async fn it_says_that_it_is_ready() {
    let house = House::open().await;
    for path in ["healthz", "readyz"] {
        let page = format!("http://{}/{path}", house.admin);
        let page = mesh_test::client::get(&page, &[]).await.unwrap();
        assert_eq!(page.status(), 200, "{path}");
    }
}
