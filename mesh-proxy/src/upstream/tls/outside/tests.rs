use mesh_model::Str;
use mesh_model::ident::SpiffeId;
use mesh_test::clock::now;
use mesh_test::pki::Authority;
use mesh_traffic::tls::{Roots, Sans, UpstreamTls};

use super::{OutsideError, make};
use crate::upstream::target::Speak;
use crate::upstream::tls::Carries;

fn mk(roots: Roots) -> UpstreamTls {
    UpstreamTls {
        identity: None,
        roots,
        servers: Sans::default(),
        dns_names: Vec::new(),
        sni: None,
        alpn: Vec::new(),
    }
}

#[test]
fn roots_come_from_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("roots.pem");
    std::fs::write(&path, Authority::root("cluster.local", now()).pem()).unwrap();
    let roots = Roots::File(Str::from(path.to_string_lossy().as_ref()));
    let config = make(&mk(roots), Carries::Http(Speak::Either)).unwrap();
    assert_eq!(
        config.alpn_protocols,
        [b"h2".to_vec(), b"http/1.1".to_vec()]
    );
}

#[test]
fn a_missing_file_is_named() {
    let error = make(&mk(Roots::File("/no/roots.pem".into())), Carries::Tcp).unwrap_err();
    assert!(error.to_string().starts_with("/no/roots.pem: "), "{error}");
}

#[test]
fn what_is_not_supported_is_refused_by_name() {
    let spiffe = SpiffeId::parse("spiffe://cluster.local/ns/a/sa/b").unwrap();
    let servers = Sans {
        exact: vec![spiffe],
        prefixes: Vec::new(),
    };
    let wanted = UpstreamTls {
        servers,
        ..mk(Roots::Unverified)
    };
    assert!(matches!(
        make(&wanted, Carries::Tcp),
        Err(OutsideError::Unsupported(_))
    ));
    assert!(matches!(
        make(&mk(Roots::Mesh), Carries::Tcp),
        Err(OutsideError::Unsupported(_))
    ));
}
