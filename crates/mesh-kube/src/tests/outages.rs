//! Connections that break, versions that are forgotten, a server that is away.

use super::api::{RULES, SERVICES};
use super::*;

/// A server with one service that is followed.
async fn with_one() -> Following {
    let api = Api::start().await;
    api.put(SERVICES, service("a", 80));
    Following::synced(api).await
}

fn watches(following: &Following) -> Vec<String> {
    let requests = following.api.requests().into_iter();
    let of_services = requests.filter(|path| path.starts_with("/api/v1/services?watch"));
    of_services.collect()
}

fn lists(following: &Following) -> usize {
    let requests = following.api.requests();
    let lists = requests
        .iter()
        .filter(|path| path.contains("/services?limit"));
    lists.count()
}

#[tokio::test]
async fn a_connection_cut_in_the_middle_of_an_event_loses_and_doubles_nothing() {
    let mut following = with_one().await;
    following.api.put(SERVICES, service("b", 80));
    following.until("+service n/b").await;
    following.api.cut(SERVICES);
    following.api.put(SERVICES, service("c", 80));
    following.api.delete(SERVICES, "a");
    let told = following.until("-").await;
    assert_eq!(told, [shown("c", 80), "-service n/a".to_owned()]);
    assert_eq!(lists(&following), 1, "nothing had to be listed again");
}

#[tokio::test]
async fn a_watch_that_ends_goes_on_from_the_last_bookmark() {
    let mut following = with_one().await;
    following.api.put(SERVICES, service("b", 80));
    following.until("+service n/b").await;
    following.api.bookmark(SERVICES);
    following.api.end(SERVICES);
    following.api.put(SERVICES, service("c", 80));
    following.until("+service n/c").await;
    let watches = watches(&following);
    assert!(
        watches.last().unwrap().ends_with("resourceVersion=4"),
        "{watches:?}"
    );
}

#[tokio::test]
async fn what_happened_while_the_version_was_forgotten_is_found_by_a_new_list() {
    for by_event in [false, true] {
        let mut following = with_one().await;
        following.api.put(SERVICES, service("b", 80));
        following.until("+service n/b").await;
        // The watcher is gone before any of it is told, and then it is forgotten.
        following.api.cut(SERVICES);
        following.api.delete(SERVICES, "a");
        following.api.put(SERVICES, service("b", 81));
        following.api.put(SERVICES, service("c", 80));
        following.api.forget(by_event);
        let told = following.until("-").await;
        assert_eq!(
            told,
            [shown("b", 81), shown("c", 80), "-service n/a".to_owned()]
        );
        assert!(lists(&following) > 1);
    }
}

#[tokio::test]
async fn a_list_whose_pages_expire_is_listed_at_once() {
    let api = Api::start().await;
    for number in 0..300 {
        api.put(SERVICES, service(&format!("s{number:03}"), 80));
    }
    api.expire_tokens();
    let mut following = Following::start(api, &Scope::default());
    let told = following.until("synced").await;
    assert_eq!(told.len(), 301);
    let requests = following.api.requests();
    let is_whole = |path: &String| {
        path.starts_with(SERVICES) && !path.contains("limit") && !path.contains("watch")
    };
    assert!(requests.iter().any(is_whole), "{requests:?}");
}

#[tokio::test]
async fn while_the_server_is_away_everything_stays_and_afterwards_the_difference_is_told() {
    let api = Api::start().await;
    api.install(RULES);
    api.put(SERVICES, service("a", 80));
    api.put(RULES, rule("r", "a"));
    let mut following = Following::synced(api).await;
    following.api.die().await;
    let told = following.until("broken").await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("cannot be reached"), "{told:?}");
    assert!(told[0].contains("holds []"), "{told:?}");
    following.api.delete(SERVICES, "a");
    following.api.put(RULES, rule("r", "b"));
    following.api.forget(false);
    following.api.listen().await;
    let mut told = following.until("mended").await;
    while !(told.iter().any(|line| line.starts_with("-service"))
        && told.iter().any(|line| line.starts_with("+virtual")))
    {
        told.extend(following.until("").await);
    }
    told.retain(|line| !line.starts_with("mended"));
    told.sort();
    assert_eq!(
        told,
        [r#"+virtualservice n/r {"hosts":["b"]}"#, "-service n/a"]
    );
}

#[tokio::test]
async fn a_server_that_is_not_there_at_the_start_is_waited_for() {
    let mut api = Api::start().await;
    api.put(SERVICES, service("a", 80));
    api.die().await;
    let mut following = Following::start(api, &Scope::default());
    let told = following.until("broken").await;
    assert!(!told.contains(&"synced".to_owned()), "{told:?}");
    following.api.listen().await;
    let told = following.until("synced").await;
    assert!(told.contains(&shown("a", 80)), "{told:?}");
}
