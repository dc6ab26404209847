use std::os::unix::fs::PermissionsExt;

use super::*;

fn mk_upsert(kind: Kind, name: &str, version: &str) -> Upsert {
    Upsert {
        name: name.into(),
        version: version.into(),
        any: Any {
            type_url: kind.type_url().into(),
            value: version.as_bytes().repeat(100),
        },
    }
}

fn upserts(upserts: &[(Kind, &str, &str)]) -> Record {
    let resources = upserts.iter();
    let resources = resources.map(|(kind, name, version)| mk_upsert(*kind, name, version));
    Record {
        upserts: resources.map(Resource::of).collect(),
        ..Record::default()
    }
}

fn whole() -> Record {
    Record {
        whole: true,
        ..Record::default()
    }
}

/// Writes records into a folder, as one run of a proxy does.
fn run(folder: &Path, owner: &str, records: &[Record]) -> Vec<(Kind, String, String)> {
    let (mut journal, left) = Journal::open(folder, owner).unwrap();
    for record in records {
        journal.append(record).unwrap();
    }
    let left = left.into_iter();
    let shown = left.map(|(kind, upsert)| {
        assert_eq!(upsert, mk_upsert(kind, &upsert.name, &upsert.version));
        (kind, upsert.name, upsert.version)
    });
    shown.collect()
}

fn mk_left(left: &[(Kind, &str, &str)]) -> Vec<(Kind, String, String)> {
    let left = left.iter();
    left.map(|(kind, name, version)| (*kind, (*name).into(), (*version).into()))
        .collect()
}

#[test]
fn the_last_word_on_each_resource_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("of/its own");
    let records = [
        upserts(&[(Kind::Cluster, "a", "1"), (Kind::Cluster, "b", "1")]),
        upserts(&[(Kind::Endpoint, "a", "1"), (Kind::Cluster, "b", "2")]),
        whole(),
        Record {
            removals: vec![Resource::gone(Kind::Cluster, "a".into())],
            ..Record::default()
        },
    ];
    assert_eq!(run(&folder, "node", &records), []);
    let left = mk_left(&[(Kind::Cluster, "b", "2"), (Kind::Endpoint, "a", "1")]);
    assert_eq!(run(&folder, "node", &[]), left);
    assert_eq!(run(&folder, "node", &[]), left, "it was written anew");
}

#[test]
fn nothing_is_left_before_it_was_whole() {
    let folder = tempfile::tempdir().unwrap();
    let records = [upserts(&[(Kind::Cluster, "a", "1")])];
    run(folder.path(), "node", &records);
    assert_eq!(run(folder.path(), "node", &[whole()]), []);
    assert_eq!(
        run(folder.path(), "node", &[]),
        [],
        "of the run before that"
    );
}

#[test]
fn what_another_proxy_left_is_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let records = [upserts(&[(Kind::Cluster, "a", "1")]), whole()];
    run(folder.path(), "sidecar~a", &records);
    assert_eq!(run(folder.path(), "sidecar~b", &[]), []);
}

#[test]
fn a_folder_has_one_proxy_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let (first, _) = Journal::open(folder.path(), "node").unwrap();
    let second = Journal::open(folder.path(), "node").err().unwrap();
    assert!(second.to_string().contains("another proxy"), "{second}");
    drop(first);
    Journal::open(folder.path(), "node").unwrap();
}

#[test]
fn only_its_owner_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("cache");
    run(&folder, "node", &[whole()]);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    assert_eq!(mode(&folder.join(FILE)), 0o600);
}

#[test]
fn a_file_that_ends_anywhere_has_what_is_before() {
    let folder = tempfile::tempdir().unwrap();
    let first = [upserts(&[(Kind::Cluster, "a", "1")]), whole()];
    run(folder.path(), "node", &first);
    let path = folder.path().join(FILE);
    let before = std::fs::read(&path).unwrap();
    run(
        folder.path(),
        "node",
        &[upserts(&[(Kind::Cluster, "b", "1")])],
    );
    let whole_file = std::fs::read(&path).unwrap();
    for end in before.len()..whole_file.len() {
        std::fs::write(&path, &whole_file[..end]).unwrap();
        let left = mk_left(&[(Kind::Cluster, "a", "1")]);
        assert_eq!(run(folder.path(), "node", &[]), left, "{end} bytes");
    }
}

#[test]
fn what_was_changed_by_others_is_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let records = [
        whole(),
        upserts(&[(Kind::Cluster, "a", "1")]),
        upserts(&[(Kind::Cluster, "b", "1")]),
    ];
    run(folder.path(), "node", &records);
    let path = folder.path().join(FILE);
    let good = std::fs::read(&path).unwrap();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        std::fs::write(&path, &bad).unwrap();
        let left = run(folder.path(), "node", &[]);
        assert!(left.len() < 2, "byte {at}: {left:?}");
    }
}

#[test]
fn many_changes_do_not_make_it_long() {
    let folder = tempfile::tempdir().unwrap();
    let (mut journal, _) = Journal::open(folder.path(), "node").unwrap();
    journal.append(&whole()).unwrap();
    let one = |version: usize| {
        let version = format!("{version:05}");
        upserts(&[(Kind::Endpoint, "a", &version)])
    };
    for version in 0..10_000 {
        journal.append(&one(version)).unwrap();
        assert!(journal.length < 2 * SLACK);
    }
    let length = std::fs::metadata(folder.path().join(FILE)).unwrap().len();
    assert_eq!(length, journal.length);
    drop(journal);
    let left = mk_left(&[(Kind::Endpoint, "a", "09999")]);
    assert_eq!(run(folder.path(), "node", &[]), left);
}

#[test]
fn a_folder_that_cannot_be_made_is_named_by_the_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert!(Journal::open(&file.join("in it"), "node").is_err());
}
