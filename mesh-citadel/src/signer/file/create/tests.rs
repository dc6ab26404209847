use std::time::Duration;

use mesh_model::time::Clock;
use mesh_test::clock;

use super::*;
use crate::signer::file::open_or_create;

const NAMES: [&str; 3] = [KEY, CERTIFICATE, ROOTS];

fn now() -> SystemTime {
    clock::fixed().wall()
}

fn domain() -> TrustDomain {
    TrustDomain::parse("cluster.local").unwrap()
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn in_order() -> Vec<String> {
    let mut names = NAMES.map(str::to_owned);
    names.sort();
    names.into()
}

/// A start that was killed after `linked` of the files were in place; and the key of its CA.
fn killed_after(directory: &Path, linked: usize) -> String {
    open_or_create(directory, &domain(), now()).unwrap();
    let first = directory.join(FIRST);
    fs::create_dir(&first).unwrap();
    for name in NAMES {
        fs::hard_link(directory.join(name), first.join(name)).unwrap();
    }
    for name in &NAMES[linked..] {
        fs::remove_file(directory.join(name)).unwrap();
    }
    fs::read_to_string(first.join(KEY)).unwrap()
}

#[test]
fn a_start_that_was_cut_short_is_finished_by_the_next() {
    for linked in 0..=NAMES.len() {
        let folder = tempfile::tempdir().unwrap();
        let key = killed_after(folder.path(), linked);
        let later = now() + Duration::from_secs(60);
        let signer = open_or_create(folder.path(), &domain(), later).unwrap();
        assert_eq!(names(folder.path()), in_order(), "{linked} linked");
        assert_eq!(
            fs::read_to_string(folder.path().join(KEY)).unwrap(),
            key,
            "{linked} linked"
        );
        let again = open_or_create(folder.path(), &domain(), later).unwrap();
        assert_eq!(again.certificate(), signer.certificate());
    }
}

#[test]
fn what_was_cut_short_before_it_was_a_ca_is_thrown_away() {
    let folder = tempfile::tempdir().unwrap();
    let unfinished = folder.path().join(format!("{UNFINISHED}17"));
    fs::create_dir(&unfinished).unwrap();
    fs::write(unfinished.join(KEY), "half of a k").unwrap();
    open_or_create(folder.path(), &domain(), now()).unwrap();
    assert_eq!(names(folder.path()), in_order());
}

#[test]
fn of_two_that_start_at_once_both_have_the_same_ca() {
    let folder = tempfile::tempdir().unwrap();
    let start = || {
        let signer = open_or_create(folder.path(), &domain(), now()).unwrap();
        signer.certificate().der.clone()
    };
    // Processes have numbers of their own; here the one that loses the folder waits for the other.
    let first = start();
    assert_eq!(start(), first);
    // The slower one names its CA when the faster one has finished already.
    let other = tempfile::tempdir().unwrap();
    open_or_create(other.path(), &domain(), now()).unwrap();
    fs::rename(other.path(), folder.path().join(FIRST)).unwrap();
    assert_eq!(start(), first);
    assert_eq!(names(folder.path()), in_order());
}
