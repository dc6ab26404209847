use std::collections::BTreeMap;

use mesh_model::time::Clock;
use mesh_test::clock;
use mesh_test::pki::Authority;
use tempfile::TempDir;

use super::*;

fn now() -> SystemTime {
    clock::fixed().wall()
}

fn domain() -> TrustDomain {
    TrustDomain::parse("cluster.local").unwrap()
}

/// A folder for a CA that is not there yet.
fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("state/ca");
    (folder, ca)
}

fn contents(directory: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(directory).unwrap().map(Result::unwrap);
    entries
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read_to_string(entry.path()).unwrap())
        })
        .collect()
}

#[test]
fn a_root_is_made_once_and_kept() {
    let (_folder, ca) = folder();
    let first = open_or_create(&ca, &domain(), now()).unwrap();
    let files = contents(&ca);
    assert_eq!(files.keys().collect::<Vec<_>>(), [CERTIFICATE, KEY, ROOTS]);
    assert_eq!(files[CERTIFICATE], files[ROOTS]);
    let later = now() + Duration::from_secs(3600);
    let second = open_or_create(&ca, &domain(), later).unwrap();
    assert_eq!(second.certificate(), first.certificate());
    assert_eq!(contents(&ca), files);
}

#[test]
fn the_key_is_for_its_owner_alone() {
    let (_folder, ca) = folder();
    open_or_create(&ca, &domain(), now()).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&ca), 0o700);
    assert_eq!(mode(&ca.join(KEY)), 0o600);
}

/// Spoils a good CA, and checks that it is refused by file and reason and left as it is.
#[track_caller]
fn check_refused(spoil: impl FnOnce(&Path), file: &str, why: &str) {
    let (_folder, ca) = folder();
    open_or_create(&ca, &domain(), now()).unwrap();
    spoil(&ca);
    let before = contents(&ca);
    let error = open_or_create(&ca, &domain(), now())
        .unwrap_err()
        .to_string();
    let path = ca.join(file).display().to_string();
    assert!(error.starts_with(&path), "{file}: {error}");
    assert!(error.contains(why), "{why}: {error}");
    assert_eq!(contents(&ca), before, "nothing is replaced");
}

fn write(directory: &Path, name: &str, text: &str) {
    fs::write(directory.join(name), text).unwrap();
}

#[test]
fn what_does_not_fit_is_refused_by_name_and_never_replaced() {
    let other = || Authority::root("cluster.local", now());
    let key = |ca: &Path| write(ca, KEY, other().key_pem());
    check_refused(
        key,
        CERTIFICATE,
        "the private key does not belong to the certificate",
    );
    let broken = |name: &'static str| move |ca: &Path| write(ca, name, "broken");
    check_refused(broken(KEY), KEY, "no private key");
    check_refused(broken(CERTIFICATE), CERTIFICATE, "no certificate");
    check_refused(broken(ROOTS), ROOTS, "no certificate");
    let missing = |name: &'static str| move |ca: &Path| fs::remove_file(ca.join(name)).unwrap();
    check_refused(missing(CERTIFICATE), CERTIFICATE, "missing");
    check_refused(missing(ROOTS), ROOTS, "missing");
    let roots = |ca: &Path| write(ca, ROOTS, &other().pem());
    check_refused(roots, ROOTS, "is not among the roots");
    let foreign = |ca: &Path| {
        let foreign = Authority::root("other.local", now()).pem();
        write(ca, ROOTS, &(contents(ca)[ROOTS].clone() + &foreign));
    };
    check_refused(foreign, ROOTS, "it belongs to trust domain other.local");
    let two = |ca: &Path| write(ca, CERTIFICATE, &contents(ca)[CERTIFICATE].repeat(2));
    check_refused(two, CERTIFICATE, "2 certificates, exactly one is expected");
    let open = |ca: &Path| {
        let path = ca.join(KEY);
        fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    };
    check_refused(open, KEY, "chmod 600");
}

fn replace(ca: &Path, certificate: &str, key: &str) {
    write(ca, KEY, key);
    write(ca, CERTIFICATE, certificate);
    write(ca, ROOTS, certificate);
}

#[test]
fn a_ca_that_may_not_sign_now_is_refused() {
    let expired = |ca: &Path| {
        let root = Authority::expired_root("cluster.local", now());
        replace(ca, &root.pem(), root.key_pem());
    };
    check_refused(
        expired,
        CERTIFICATE,
        "is valid from 2025-12-31T00:00:00Z to 2025-12-31T23:00:00Z only",
    );
    let leaf = |ca: &Path| {
        let root = Authority::root("cluster.local", now());
        let leaf = root.leaf("spiffe://cluster.local/ns/default/sa/a");
        replace(ca, &chain::to_pem(&leaf.chain[0]), &leaf.key_pem);
    };
    check_refused(leaf, CERTIFICATE, "basic constraints do not say CA");
}

#[test]
fn a_missing_key_is_no_reason_to_make_another() {
    let missing = |ca: &Path| fs::remove_file(ca.join(KEY)).unwrap();
    let (_folder, ca) = folder();
    open_or_create(&ca, &domain(), now()).unwrap();
    missing(&ca);
    let error = open_or_create(&ca, &domain(), now())
        .unwrap_err()
        .to_string();
    assert!(error.contains(KEY), "{error}");
    assert!(!ca.join(KEY).exists());
}

#[test]
fn a_ca_of_the_users_own_is_taken() {
    let (_folder, ca) = folder();
    open_or_create(&ca, &domain(), now()).unwrap();
    let (own, old) = (
        Authority::root("cluster.local", now()),
        Authority::root("cluster.local", now()),
    );
    write(&ca, KEY, own.key_pem());
    write(&ca, CERTIFICATE, &own.pem());
    write(
        &ca,
        ROOTS,
        &format!("# two roots\r\n{}{}", old.pem(), own.pem()),
    );
    let signer = open_or_create(&ca, &domain(), now()).unwrap();
    assert_eq!(signer.certificate().der, *own.der());
    assert_eq!(signer.bundle().roots().len(), 2);
}

#[test]
fn the_key_is_not_printed() {
    let (_folder, ca) = folder();
    let signer = open_or_create(&ca, &domain(), now()).unwrap();
    let text = format!("{signer:?}");
    assert!(
        !text.contains("PRIVATE") && !text.contains("KeyPair"),
        "{text}"
    );
}
