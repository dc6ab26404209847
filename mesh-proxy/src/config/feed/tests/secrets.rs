//! Listeners and the secrets that they show.

use mesh_model::time::Clock as _;
use mesh_proto::envoy::envoy::extensions::transport_sockets::tls::v3 as tls;
use mesh_test::pki::{Authority, Certified, to_pem};

use super::*;

fn leaf() -> Certified {
    let root = Authority::root("shop.example", SystemClock.wall());
    root.leaf("spiffe://shop.example/a")
}

fn data(text: &str) -> Option<core::DataSource> {
    Some(core::DataSource {
        specifier: Some(core::data_source::Specifier::InlineBytes(text.into())),
        ..Default::default()
    })
}

fn mk_secret(name: &str, chain: &str, key: &str) -> Upsert {
    let pair = tls::TlsCertificate {
        certificate_chain: data(chain),
        private_key: data(key),
        ..Default::default()
    };
    let message = tls::Secret {
        name: name.to_owned(),
        r#type: Some(tls::secret::Type::TlsCertificate(pair)),
    };
    upsert(name, chain, &message)
}

fn secret_of(name: &str, leaf: &Certified) -> Upsert {
    let chain = leaf.chain.iter().map(|der| to_pem("CERTIFICATE", der));
    mk_secret(name, &chain.collect::<String>(), &leaf.key_pem)
}

/// The listener of [`mk_listener`] with TLS whose certificate is this secret.
fn mk_secure(name: &str, rds: &str, secret: &str) -> Upsert {
    let ads = core::config_source::ConfigSourceSpecifier::Ads(Default::default());
    let shown = tls::SdsSecretConfig {
        name: secret.to_owned(),
        sds_config: Some(core::ConfigSource {
            config_source_specifier: Some(ads),
            ..Default::default()
        }),
    };
    let context = tls::CommonTlsContext {
        tls_certificate_sds_secret_configs: vec![shown],
        ..Default::default()
    };
    mk_with(name, rds, secret, context)
}

/// The listener of [`mk_listener`] with TLS whose certificate is in these files.
fn mk_of_files(name: &str, rds: &str, chain: &str, key: &str) -> Upsert {
    let file = |path: &str| {
        Some(core::DataSource {
            specifier: Some(core::data_source::Specifier::Filename(path.to_owned())),
            ..Default::default()
        })
    };
    let context = tls::CommonTlsContext {
        tls_certificates: vec![tls::TlsCertificate {
            certificate_chain: file(chain),
            private_key: file(key),
            ..Default::default()
        }],
        ..Default::default()
    };
    mk_with(name, rds, chain, context)
}

fn mk_with(name: &str, rds: &str, version: &str, common: tls::CommonTlsContext) -> Upsert {
    let plain = mk_listener(name, rds);
    let mut message: listener::Listener = unpack(&plain.any).unwrap();
    let context = tls::DownstreamTlsContext {
        common_tls_context: Some(common),
        ..Default::default()
    };
    message.filter_chains[0].transport_socket = Some(core::TransportSocket {
        name: "tls".into(),
        config_type: Some(core::transport_socket::ConfigType::TypedConfig(pack(
            &context,
        ))),
    });
    upsert(name, version, &message)
}

fn secrets(feed: &Feed) -> Vec<String> {
    let config = feed.live.current();
    let mut names: Vec<_> = config.secrets.keys().map(Str::to_string).collect();
    names.sort();
    names
}

#[test]
fn a_listener_waits_for_word_of_its_secret() {
    let mut feed = feed();
    feed.give(Kind::Cluster, &[]);
    let applied = feed.give(Kind::Listener, &[mk_secure("l", "t", "s")]);
    assert_eq!(names(&applied, Kind::Secret), ["s"]);
    feed.give(Kind::Route, &[mk_table("t")]);
    assert_eq!(feed.listeners(), [""; 0]);
    assert!(!feed.catalog.is_ready());
    feed.give(Kind::Secret, &[secret_of("s", &leaf())]);
    assert_eq!(
        (feed.listeners(), secrets(&feed)),
        (vec!["l".into()], vec!["s".into()])
    );
    assert!(feed.catalog.is_ready());
}

#[test]
fn a_secret_that_is_not_there_keeps_nobody_waiting() {
    let mut feed = feed();
    feed.give(Kind::Cluster, &[]);
    feed.give(Kind::Listener, &[mk_secure("l", "t", "s")]);
    feed.give(Kind::Route, &[mk_table("t")]);
    feed.take_away(Kind::Secret, "s");
    assert_eq!((feed.listeners().len(), secrets(&feed).len()), (1, 0));
    assert!(feed.catalog.is_ready());
    feed.give(Kind::Secret, &[secret_of("s", &leaf())]);
    assert_eq!(secrets(&feed), ["s"]);
}

#[test]
fn another_secret_leaves_the_listener_as_it_is() {
    let mut feed = feed();
    feed.give(Kind::Listener, &[mk_secure("l", "t", "s")]);
    feed.give(Kind::Route, &[mk_table("t")]);
    feed.give(Kind::Secret, &[secret_of("s", &leaf())]);
    let before = feed.live.current();
    feed.give(Kind::Secret, &[secret_of("s", &leaf())]);
    let after = feed.live.current();
    assert!(Arc::ptr_eq(&before.listeners["l"], &after.listeners["l"]));
    assert_ne!(before.secrets["s"], after.secrets["s"]);
}

#[test]
fn a_bad_secret_is_refused_and_the_one_before_stays() {
    let mut feed = feed();
    feed.give(Kind::Listener, &[mk_secure("l", "t", "s")]);
    feed.give(Kind::Route, &[mk_table("t")]);
    let good = leaf();
    feed.give(Kind::Secret, &[secret_of("s", &good)]);
    let other = Certified {
        key_pem: leaf().key_pem,
        ..good
    };
    let applied = feed.give(Kind::Secret, &[secret_of("s", &other)]);
    let told = applied.rejections[0].to_string();
    let expected = "s: tls_certificate: the private key does not belong to the certificate";
    assert_eq!(told, expected);
    assert_eq!(secrets(&feed), ["s"]);
}

#[test]
fn files_are_looked_for_before_their_listener_is_in_force() {
    let folder = tempfile::tempdir().unwrap();
    let path = |file: &str| folder.path().join(file).to_string_lossy().into_owned();
    let (chain, key) = (path("chain.pem"), path("key.pem"));
    let found = || {
        let mut feed = feed();
        feed.give(Kind::Listener, &[mk_of_files("l", "t", &chain, &key)]);
        feed.give(Kind::Route, &[mk_table("t")]);
        assert_eq!(feed.listeners(), ["l"]);
        let config = feed.live.current();
        config.files.values().next().unwrap().clone()
    };
    let why = found().unwrap_err();
    assert!(why.starts_with(&format!("{chain}: ")), "{why}");
    let leaf = leaf();
    let certificates = leaf.chain.iter().map(|der| to_pem("CERTIFICATE", der));
    std::fs::write(&chain, certificates.collect::<String>()).unwrap();
    std::fs::write(&key, &leaf.key_pem).unwrap();
    assert!(found().unwrap().certificate().is_some());
}
