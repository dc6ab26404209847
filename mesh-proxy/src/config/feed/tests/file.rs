//! What stands in a file of the proxy's own, and a server that has more.

use super::*;

/// A cluster without endpoints.
fn mk_static(name: &str) -> Upsert {
    let message = cluster::Cluster {
        name: name.to_owned(),
        ..Default::default()
    };
    upsert(name, "static", &message)
}

#[test]
fn a_file_alone_is_ready() {
    let file = [(Kind::Cluster, mk_static("c"))];
    let feed = feed().with_file(&file).unwrap().complete().unwrap();
    assert!(feed.catalog.is_ready());
    assert_eq!(feed.clusters(), ["c/"]);
}

#[test]
fn what_a_file_asks_for_must_come_from_somewhere() {
    let file = [(Kind::Listener, mk_listener("l", "table"))];
    let nobody = feed().with_file(&file).unwrap().complete();
    assert_eq!(
        nobody.err().unwrap().to_string(),
        "table is to be asked for, and dynamic_resources.ads_config names no server"
    );
}

#[test]
fn what_cannot_be_used_of_a_file_is_named() {
    let broken = Upsert {
        name: "c".into(),
        version: String::new(),
        any: pack(&cluster::Cluster {
            name: "c".into(),
            lb_subset_config: Some(Default::default()),
            ..Default::default()
        }),
    };
    let error = feed().with_file(&[(Kind::Cluster, broken)]).err().unwrap();
    assert_eq!(
        error.to_string(),
        "static_resources.clusters: c: lb_subset_config: is not supported"
    );
}

#[test]
fn a_server_adds_to_a_file_and_changes_nothing_of_it() {
    let file = [
        (Kind::Cluster, mk_static("own")),
        (Kind::Listener, mk_listener("l", "table")),
    ];
    let mut feed = feed().with_file(&file).unwrap();
    feed.begin(&[Kind::Cluster]);
    assert_eq!(
        feed.wanted.names()[1].1.iter().collect::<Vec<_>>(),
        ["table"]
    );
    assert_eq!(feed.listeners(), [""; 0]);
    let applied = feed.give(Kind::Cluster, &[mk_static("own"), mk_static("theirs")]);
    assert_eq!(
        applied.rejections[0].to_string(),
        "own: name: stands in the bootstrap file, which no server changes"
    );
    assert_eq!(feed.clusters(), ["own/", "theirs/"]);
    feed.take_away(Kind::Cluster, "own");
    feed.take_away(Kind::Cluster, "theirs");
    assert_eq!(feed.clusters(), ["own/"]);
    assert!(!feed.catalog.is_ready());
    feed.give(Kind::Route, &[mk_table("table")]);
    assert_eq!(feed.listeners(), ["l"]);
    assert!(feed.catalog.is_ready());
}
