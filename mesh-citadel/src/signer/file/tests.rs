use std::collections::BTreeMap;
use std::time::Duration;

use mesh_model::time::Clock;
use mesh_pki::chain;
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

/// A CA below a root, as it is plugged in.
fn plug(ca: &Path, names: [&str; 4]) -> Authority {
    let root = Authority::root("cluster.local", now());
    let above = root.intermediate("cluster.local", true);
    let signer = above.intermediate("cluster.local", true);
    fs::create_dir_all(ca).unwrap();
    let [key, certificate, issuers, roots] = names;
    write(ca, key, signer.key_pem());
    fs::set_permissions(ca.join(key), fs::Permissions::from_mode(0o600)).unwrap();
    if certificate == issuers {
        write(ca, certificate, &(signer.pem() + &above.pem()));
    } else {
        write(ca, certificate, &signer.pem());
        write(ca, issuers, &above.pem());
    }
    write(ca, roots, &root.pem());
    signer
}

const ISTIO: [&str; 4] = [
    "ca-key.pem",
    "ca-cert.pem",
    "cert-chain.pem",
    "root-cert.pem",
];
const TLS: [&str; 4] = ["tls.key", "tls.crt", "tls.crt", "ca.crt"];

#[test]
fn a_ca_that_is_no_root_is_taken_in_both_layouts() {
    for names in [ISTIO, TLS] {
        let (_folder, ca) = folder();
        let plugged = plug(&ca, names);
        let before = contents(&ca);
        let signer = open_or_create(&ca, &domain(), now()).unwrap();
        assert_eq!(signer.certificate().der, *plugged.der());
        assert_eq!(signer.above().len(), 2, "itself, and what is between");
        assert_eq!(contents(&ca), before, "nothing is made");
    }
}

#[test]
fn an_incomplete_set_is_refused_and_a_chain_is_no_part_of_it() {
    for (names, missing) in [
        (ISTIO, "ca-key.pem"),
        (ISTIO, "ca-cert.pem"),
        (ISTIO, "root-cert.pem"),
        (TLS, "tls.key"),
        (TLS, "tls.crt"),
        (TLS, "ca.crt"),
    ] {
        let (_folder, ca) = folder();
        plug(&ca, names);
        fs::remove_file(ca.join(missing)).unwrap();
        let before = contents(&ca);
        let error = open_or_create(&ca, &domain(), now()).unwrap_err();
        let error = error.to_string();
        let want = format!("{}: missing", ca.join(missing).display());
        assert!(error.starts_with(&want), "{error}");
        assert_eq!(contents(&ca), before);
    }
    let (_folder, ca) = folder();
    plug(&ca, ISTIO);
    fs::remove_file(ca.join("cert-chain.pem")).unwrap();
    let error = open_or_create(&ca, &domain(), now()).unwrap_err();
    assert!(error.to_string().contains("cert-chain.pem"), "{error}");
}

/// A volume as kubelet makes it: links to a link to the folder of a generation.
fn volume(ca: &Path, generation: &str, names: [&str; 4]) -> Authority {
    let folder = ca.join(generation);
    let signer = plug(&folder, names);
    // In a volume anybody of the pod may read.
    fs::set_permissions(folder.join(names[0]), fs::Permissions::from_mode(0o644)).unwrap();
    let link = |target: &str, name: &str| {
        let staged = ca.join("..staged");
        std::os::unix::fs::symlink(target, &staged).unwrap();
        fs::rename(staged, ca.join(name)).unwrap();
    };
    link(generation, DATA);
    for name in names {
        link(&format!("{DATA}/{name}"), name);
    }
    signer
}

#[test]
fn a_volume_of_kubernetes_is_read_and_read_anew_after_its_links_were_exchanged() {
    let (_folder, ca) = folder();
    fs::create_dir_all(&ca).unwrap();
    for generation in ["..2026_01", "..2026_02"] {
        let plugged = volume(&ca, generation, ISTIO);
        let signer = open(&ca, &domain(), now()).unwrap().unwrap();
        assert_eq!(signer.certificate().der, *plugged.der(), "{generation}");
    }
}

#[test]
fn files_of_two_generations_are_never_mixed() {
    let (_folder, ca) = folder();
    fs::create_dir_all(&ca).unwrap();
    for number in 0..2 {
        volume(&ca, &format!("..{number}"), ISTIO);
    }
    let stop = std::sync::atomic::AtomicBool::new(false);
    let order = std::sync::atomic::Ordering::Relaxed;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut number = 0;
            while !stop.load(order) {
                number = 1 - number;
                let staged = ca.join("..staged");
                std::os::unix::fs::symlink(format!("..{number}"), &staged).unwrap();
                fs::rename(staged, ca.join(DATA)).unwrap();
            }
        });
        let opened: Vec<_> = (0..50).map(|_| open(&ca, &domain(), now())).collect();
        stop.store(true, order);
        for signer in opened {
            signer.unwrap().unwrap();
        }
    });
}

#[test]
fn a_volume_without_files_is_no_ca() {
    let (_folder, ca) = folder();
    assert!(open(&ca, &domain(), now()).unwrap().is_none());
    fs::create_dir_all(ca.join("..empty")).unwrap();
    std::os::unix::fs::symlink("..empty", ca.join(DATA)).unwrap();
    assert!(open(&ca, &domain(), now()).unwrap().is_none());
}
