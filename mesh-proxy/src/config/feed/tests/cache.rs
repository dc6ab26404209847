use std::path::Path;
use std::time::Duration;

use prometheus::Registry;

use super::*;

const LONG: Duration = Duration::from_secs(30);

/// A run of a proxy that has this folder: what the feed does in it is written when it ends.
async fn run<T>(folder: &Path, run: impl FnOnce(&mut Feed) -> T) -> T {
    let tasks = Tasks::new(&Registry::new());
    let (cache, left) = Cache::open(folder, "node", &tasks).unwrap();
    let mut feed = feed().with_cache(cache, left);
    feed.begin(&[Kind::Cluster, Kind::Listener]);
    let came = run(&mut feed);
    drop(feed);
    assert!(tasks.stop(LONG).await);
    came
}

/// A cluster, a listener and what they ask for.
fn give_all(feed: &mut Feed) {
    feed.give(Kind::Cluster, &[mk_cluster("c", "c"), mk_cluster("d", "d")]);
    feed.give(Kind::Endpoint, &[mk_endpoints("c")]);
    feed.take_away(Kind::Endpoint, "d");
    feed.give(Kind::Listener, &[mk_listener("l", "9080")]);
    feed.give(Kind::Route, &[mk_table("9080")]);
}

#[tokio::test]
async fn a_proxy_begins_with_what_its_last_run_had() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), |feed| {
        assert_eq!(feed.listeners(), [""; 0]);
        give_all(feed);
    })
    .await;
    run(folder.path(), |feed| {
        assert_eq!(feed.clusters(), ["c/c", "d/d"]);
        assert_eq!(feed.listeners(), ["l"]);
        assert!(feed.catalog.is_ready());
        let held = feed.held.iter();
        let held: Vec<_> = held.map(|(kind, name, _)| (*kind, name.as_str())).collect();
        let expected = [
            (Kind::Cluster, "c"),
            (Kind::Cluster, "d"),
            (Kind::Endpoint, "c"),
            (Kind::Listener, "l"),
            (Kind::Route, "9080"),
        ];
        assert_eq!(held, expected);
        // What the server took away meanwhile.
        feed.take_away(Kind::Cluster, "c");
    })
    .await;
    run(folder.path(), |feed| {
        assert_eq!(feed.clusters(), ["d/d"]);
        assert!(!feed.live.current().endpoints.contains_key("c"));
    })
    .await;
}

#[tokio::test]
async fn of_a_refused_resource_the_last_good_version_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), |feed| {
        give_all(feed);
        let mut bad = mk_table("9080");
        bad.any.value = b"no message".to_vec();
        let applied = feed.give(Kind::Route, &[bad]);
        assert_eq!(applied.rejections.len(), 1);
    })
    .await;
    let listeners = run(folder.path(), |feed| feed.listeners()).await;
    assert_eq!(listeners, ["l"]);
}

#[tokio::test]
async fn what_is_not_good_any_more_is_asked_for_again() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), |feed| {
        give_all(feed);
        let mut other = mk_table("9080");
        other.any.value = b"of another version".to_vec();
        let cache = feed.cache.as_mut().unwrap();
        cache.note(vec![(Kind::Route, other)], Vec::new());
    })
    .await;
    run(folder.path(), |feed| {
        assert!(feed.held.iter().all(|(kind, _, _)| *kind != Kind::Route));
        assert_eq!(feed.clusters(), ["c/c", "d/d"]);
    })
    .await;
}

#[tokio::test]
async fn half_a_configuration_is_not_begun_with() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), |feed| {
        feed.give(Kind::Cluster, &[mk_cluster("c", "c")]);
        feed.give(Kind::Endpoint, &[mk_endpoints("c")]);
    })
    .await;
    run(folder.path(), |feed| {
        assert_eq!(feed.clusters(), [""; 0]);
        assert!(!feed.catalog.is_ready());
    })
    .await;
}
