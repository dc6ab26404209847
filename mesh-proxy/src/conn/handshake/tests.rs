use mesh_model::time::TestClock;
use mesh_test::clock;
use mesh_test::pki::{Authority, to_pem};
use mesh_traffic::secret::Content;
use mesh_traffic::tls::{Sans, Versions};

use super::*;

/// A server that shows what is in the files.
fn mk() -> DownstreamTls {
    DownstreamTls {
        identity: Identity::Files {
            chain: "/dev/null".into(),
            key: "/dev/zero".into(),
        },
        require_client_certificate: false,
        roots: Roots::Unverified,
        clients: Sans::default(),
        alpn: Vec::new(),
        versions: Versions::All,
    }
}

/// A configuration with what was found in the files.
fn found(what: Result<Arc<Secret>, Str>) -> Config {
    Config {
        files: mk().files().map(|files| (files, what.clone())).collect(),
        ..Config::default()
    }
}

fn certificate() -> Arc<Secret> {
    let leaf = Authority::root("shop.example", clock::now()).leaf("spiffe://shop.example/a");
    let chain = leaf.chain.iter().map(|der| to_pem("CERTIFICATE", der));
    let chain: String = chain.collect();
    let made = Credential::from_pem(chain.as_bytes(), leaf.key_pem.as_bytes());
    Arc::new(Secret {
        name: "in files".into(),
        content: Content::Certificate(made.unwrap()),
    })
}

fn configs() -> (ServerConfigs, TestClock) {
    let started = mesh_runtime::SystemClock.now();
    let clock = TestClock::starting_at(started, clock::now());
    (ServerConfigs::new(None, Arc::new(clock.clone())), clock)
}

#[test]
fn a_worker_opens_no_file_itself() {
    let (configs, _clock) = configs();
    let why = configs.config(&mk(), &Config::default()).unwrap_err();
    let name = "file-cert:/dev/null~/dev/zero";
    assert_eq!(why, CannotServe::NoSecret(name.into()));
}

#[test]
fn what_was_found_in_files_is_made_into_one_configuration() {
    let (configs, clock) = configs();
    let known = found(Ok(certificate()));
    let first = configs.config(&mk(), &known).unwrap();
    clock.advance(10 * TRY_AGAIN);
    assert!(Arc::ptr_eq(&first, &configs.config(&mk(), &known).unwrap()));
    let renewed = configs.config(&mk(), &found(Ok(certificate()))).unwrap();
    assert!(!Arc::ptr_eq(&first, &renewed));
    assert_eq!(configs.made.borrow().len(), 1);
}

#[test]
fn a_failure_is_remembered_for_a_while() {
    let (configs, clock) = configs();
    let mut wanted = mk();
    wanted.require_client_certificate = true;
    let known = found(Ok(certificate()));
    let made_after = |by: Duration| {
        clock.advance(by);
        assert!(configs.config(&wanted, &known).is_err());
        let made = configs.made.borrow();
        assert_eq!(made.len(), 1);
        made[0].at
    };
    let first = made_after(Duration::ZERO);
    assert_eq!(made_after(TRY_AGAIN / 2), first);
    assert_eq!(made_after(TRY_AGAIN / 2), first + TRY_AGAIN);
}

#[test]
fn a_failure_is_forgotten_when_the_files_can_be_used() {
    let (configs, _clock) = configs();
    let why = "/dev/null: no certificate";
    let failed = configs.config(&mk(), &found(Err(why.into())));
    assert_eq!(failed.unwrap_err(), CannotServe::Unusable(why.into()));
    assert!(configs.config(&mk(), &found(Ok(certificate()))).is_ok());
}
