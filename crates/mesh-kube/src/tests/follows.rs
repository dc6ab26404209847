//! What is told of what happens, while nothing is wrong.

use super::api::{PODS, RULES, SERVICES, SLICES};
use super::*;

#[tokio::test]
async fn everything_of_the_start_comes_in_pages_and_then_it_says_so() {
    let api = Api::start().await;
    for number in 0..600 {
        api.put(SERVICES, service(&format!("s{number:03}"), 80));
    }
    api.put(
        SLICES,
        json!({"metadata": {"name": "e", "namespace": "n"}, "addressType": "IPv4"}),
    );
    let mut following = Following::start(api, &Scope::default());
    let told = following.until("synced").await;
    assert_eq!(told.len(), 602, "{told:?}");
    assert_eq!(told.last().map(String::as_str), Some("synced"));
    let pages = following.api.requests();
    let pages = pages.iter().filter(|path| path.contains("/services?limit"));
    assert_eq!(pages.count(), 3);
}

#[tokio::test]
async fn changes_are_told_as_they_come_and_what_nobody_reads_is_none() {
    let mut following = Following::synced(Api::start().await).await;
    following.api.put(SERVICES, service("a", 80));
    assert_eq!(following.until("+").await, [shown("a", 80)]);
    // Only its version and its managed fields are new.
    following.api.put(SERVICES, service("a", 80));
    following.api.put(SERVICES, service("a", 81));
    assert_eq!(following.until("+").await, [shown("a", 81)]);
    following.api.delete(SERVICES, "a");
    assert_eq!(following.until("-").await, ["-service n/a"]);
}

#[tokio::test]
async fn a_list_that_takes_long_is_waited_for_and_holds_up_nobody_else() {
    let api = Api::start().await;
    api.hold(PODS);
    api.put(SERVICES, service("a", 80));
    let mut following = Following::start(api, &Scope::default());
    assert_eq!(following.until("+service").await, [shown("a", 80)]);
    following.api.put(SERVICES, service("a", 81));
    assert_eq!(following.until("+service").await, [shown("a", 81)]);
    following.api.release(PODS);
    assert_eq!(following.until("synced").await, ["synced"]);
}

#[tokio::test]
async fn a_kind_is_read_in_the_newest_version_that_is_served() {
    let old = RULES.replace("/v1/", "/v1alpha3/");
    let api = Api::start().await;
    api.install(&old);
    api.put(&old, rule("r", "a"));
    let mut following = Following::start(api, &Scope::default());
    let told = following.until("synced").await;
    assert_eq!(told, [r#"+virtualservice n/r {"hosts":["a"]}"#, "synced"]);
    following.api.put(&old, rule("r", "b"));
    assert_eq!(
        following.until("+").await,
        [r#"+virtualservice n/r {"hosts":["b"]}"#]
    );
}

#[tokio::test]
async fn a_kind_that_is_installed_later_is_found_and_one_that_is_removed_is_gone() {
    let mut following = Following::synced(Api::start().await).await;
    following.api.install(RULES);
    following.api.put(RULES, rule("r", "a"));
    following.until("+virtualservice").await;
    following.api.uninstall(RULES);
    assert_eq!(following.until("-").await, ["-virtualservice n/r"]);
}

#[tokio::test]
async fn objects_that_cannot_be_read_are_told_with_what_stays_in_force() {
    let later = RULES.replace("virtualservices", "serviceentries");
    let api = Api::start().await;
    api.install(&later);
    api.put(&later, rule("e", "a"));
    let mut following = Following::start(api, &Scope::default());
    let told = following.until("synced").await;
    assert!(
        told[0].contains("ServiceEntry is known to Istio but not supported"),
        "{told:?}"
    );
    let asked = following.api.requests();
    let mut asked = asked.iter().filter(|path| path.contains("/serviceentries"));
    assert!(asked.all(|path| !path.contains("watch")), "it is looked at");
}

#[tokio::test]
async fn secrets_are_read_only_where_asked_and_never_printed() {
    let credentials = "/api/v1/namespaces/edge/secrets";
    let api = Api::start().await;
    api.install(credentials);
    let data = json!({"tls.key": "aGlkZGVu", "tls.crt": "aGlkZGVu", "password": "aGlkZGVu"});
    let meta = json!({"name": "c", "namespace": "edge"});
    api.put(
        credentials,
        json!({"metadata": meta, "data": data, "type": "kubernetes.io/tls"}),
    );
    let scope = Scope {
        secrets_in: vec!["edge".into()],
    };
    let mut following = Following::start(api, &scope);
    let events = tokio::time::timeout(DEADLINE, async {
        loop {
            let events = following.source.next().await.unwrap();
            if events.iter().any(|event| matches!(event, Event::Upsert(_))) {
                return events;
            }
        }
    });
    let events = events.await.unwrap();
    let secrets = events.iter().filter_map(|event| match event {
        Event::Upsert(object) => object.value.get("data"),
        _ => None,
    });
    let secrets: Vec<&Value> = secrets.collect();
    assert_eq!(
        secrets,
        [&json!({"tls.key": "aGlkZGVu", "tls.crt": "aGlkZGVu"})]
    );
    assert!(!format!("{events:?}").contains("aGlkZGVu"));
    let asked = following.api.requests();
    let mut asked = asked.iter().filter(|path| path.contains("secrets"));
    assert!(asked.all(|path| path.starts_with("/api/v1/namespaces/edge/secrets?")));
}

#[tokio::test]
async fn nothing_is_left_running_when_the_tasks_stop() {
    let following = Following::synced(Api::start().await).await;
    assert!(following.tasks.stop(Duration::from_secs(5)).await);
}
