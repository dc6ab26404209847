use std::path::PathBuf;

use mesh_test::clock::now;
use mesh_test::pki::{Authority, Certified, to_pem};
use tempfile::TempDir;

use super::*;

/// A directory with the files of a listener, and what is known of them.
struct Bench {
    root: Authority,
    folder: TempDir,
    files: Files,
}

impl Bench {
    fn new() -> Self {
        Self {
            root: Authority::root("shop.example", now()),
            folder: tempfile::tempdir().unwrap(),
            files: Files::default(),
        }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    fn str(&self, file: &str) -> Str {
        self.path(file).to_string_lossy().as_ref().into()
    }

    fn pair(&self) -> InFiles {
        InFiles::Certificate {
            chain: self.str("chain.pem"),
            key: self.str("key.pem"),
        }
    }

    fn leaf(&self) -> Certified {
        self.root.leaf("spiffe://shop.example/a")
    }

    fn write(&self, file: &str, text: &str) {
        std::fs::write(self.path(file), text).unwrap();
    }

    fn write_pair(&self, leaf: &Certified) {
        let chain = leaf.chain.iter().map(|der| to_pem("CERTIFICATE", der));
        self.write("chain.pem", &chain.collect::<String>());
        self.write("key.pem", &leaf.key_pem);
    }

    fn want(&self, wanted: &[InFiles]) {
        self.files.want(&wanted.iter().cloned().collect());
    }

    fn found(&self) -> Result<Arc<Secret>, Str> {
        self.files.found()[&self.pair()].clone()
    }
}

#[test]
fn a_certificate_and_roots_are_found_where_they_are_looked_for() {
    let bench = Bench::new();
    bench.write_pair(&bench.leaf());
    bench.write("roots.pem", &bench.root.pem());
    let roots = InFiles::Roots(bench.str("roots.pem"));
    bench.want(&[bench.pair(), roots.clone()]);
    let found = bench.files.found();
    let found = |files: &InFiles| found[files].clone().unwrap();
    assert!(found(&bench.pair()).certificate().is_some());
    assert_eq!(found(&roots).roots().unwrap().pem(), bench.root.pem());
}

#[test]
fn another_look_tells_of_what_is_different_alone() {
    let bench = Bench::new();
    bench.write_pair(&bench.leaf());
    bench.want(&[bench.pair()]);
    let before = bench.found().unwrap();
    assert!(!bench.files.look_again());
    assert!(Arc::ptr_eq(&before, &bench.found().unwrap()));
    bench.write_pair(&bench.leaf());
    assert!(bench.files.look_again());
    assert_ne!(before, bench.found().unwrap());
}

#[test]
fn what_is_half_written_does_not_take_the_place_of_what_is_good() {
    let bench = Bench::new();
    bench.write_pair(&bench.leaf());
    bench.want(&[bench.pair()]);
    let before = bench.found().unwrap();
    let next = bench.leaf();
    bench.write("key.pem", &next.key_pem);
    assert!(!bench.files.look_again());
    assert_eq!(bench.found().unwrap(), before);
    bench.write_pair(&next);
    assert!(bench.files.look_again());
    assert_ne!(bench.found().unwrap(), before);
}

#[test]
fn a_file_that_is_gone_was_taken_away() {
    let bench = Bench::new();
    bench.write_pair(&bench.leaf());
    bench.want(&[bench.pair()]);
    std::fs::remove_file(bench.path("key.pem")).unwrap();
    assert!(bench.files.look_again());
    let why = bench.found().unwrap_err();
    assert!(why.contains("key.pem: No such file"), "{why}");
    assert!(!bench.files.look_again());
}

#[test]
fn files_that_come_late_are_found_by_another_look() {
    let bench = Bench::new();
    bench.want(&[bench.pair()]);
    let why = bench.found().unwrap_err();
    assert!(why.contains("chain.pem: No such file"), "{why}");
    bench.write_pair(&bench.leaf());
    // Who asks for other things beside these has them not read again.
    bench.want(&[bench.pair(), InFiles::Roots(bench.str("roots.pem"))]);
    assert!(bench.found().is_err());
    assert!(bench.files.look_again());
    assert!(bench.found().is_ok());
}

#[test]
fn what_nobody_asks_for_is_forgotten() {
    let bench = Bench::new();
    bench.want(&[bench.pair()]);
    bench.want(&[]);
    assert!(bench.files.found().is_empty());
    assert!(!bench.files.look_again());
}

#[test]
fn a_change_is_put_in_force_beside_everything_else() {
    let bench = Bench::new();
    bench.want(&[bench.pair()]);
    let before = Config {
        endpoints: [("e".into(), Arc::default())].into_iter().collect(),
        version: 7,
        ..Config::default()
    };
    let live = LiveConfig::new(before);
    bench.files.put_in_force(&live);
    let after = live.current();
    assert_eq!((after.version, after.endpoints.len()), (8, 1));
    assert!(after.files.contains_key(&bench.pair()));
}
