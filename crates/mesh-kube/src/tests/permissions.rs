//! What may not be read, and what the server answers instead.

use super::api::{RULES, SERVICES};
use super::*;

#[tokio::test]
async fn a_kind_that_may_not_be_listed_is_named_with_its_rule_and_its_neighbours_work() {
    let api = Api::start().await;
    api.install(RULES);
    api.put(RULES, rule("r", "a"));
    api.put(SERVICES, service("a", 80));
    api.refuse(RULES, "list", 403, "{}");
    let mut following = Following::start(api, &Scope::default());
    let told = following.until("synced").await;
    assert!(told.contains(&shown("a", 80)), "{told:?}");
    let said = told.iter().find(|line| line.starts_with("broken")).unwrap();
    for word in [
        "virtualservices.networking.istio.io",
        "to list",
        "verbs: [\"get\", \"list\", \"watch\"]",
    ] {
        assert!(said.contains(word), "{word}: {said}");
    }
    following.api.allow(RULES, "list");
    let mut told = following.until("+virtualservice").await;
    if !told.iter().any(|line| line.starts_with("mended")) {
        told.extend(following.until("mended").await);
    }
    assert_eq!(told.len(), 2, "{told:?}");
}

#[tokio::test]
async fn without_the_permission_to_watch_lists_tell_what_changes() {
    let api = Api::start().await;
    api.install(RULES);
    api.refuse(RULES, "watch", 403, "{}");
    let mut following = Following::start(api, &Scope::default());
    let told = following.until("broken").await;
    let mut said = told.iter().filter(|line| line.starts_with("broken"));
    assert!(
        said.any(|line| line.contains("no permission to watch")),
        "{told:?}"
    );
    following.api.put(RULES, rule("r", "a"));
    let told = following.until("+").await;
    let shown = r#"+virtualservice n/r {"hosts":["a"]}"#.to_owned();
    assert!(told.contains(&shown), "{told:?}");
}

#[tokio::test]
async fn a_permission_that_is_lost_leaves_in_force_what_was() {
    let api = Api::start().await;
    api.install(RULES);
    api.put(RULES, rule("r", "a"));
    let mut following = Following::synced(api).await;
    for verb in ["list", "watch"] {
        following.api.refuse(RULES, verb, 403, "{}");
    }
    following.api.cut(RULES);
    let told = following.until("broken").await;
    assert!(
        told[0].ends_with(r#"holds ["virtualservice n/r"]"#),
        "{told:?}"
    );
    for verb in ["list", "watch"] {
        following.api.allow(RULES, verb);
    }
    following.api.put(RULES, rule("r", "b"));
    let told = following.until("+").await;
    assert!(!told.iter().any(|line| line.starts_with('-')), "{told:?}");
}

#[tokio::test]
async fn what_is_essential_is_waited_for_rather_than_said_to_be_empty() {
    let api = Api::start().await;
    api.put(SERVICES, service("a", 80));
    api.refuse(SERVICES, "list", 403, "{}");
    let mut following = Following::start(api, &Scope::default());
    let told = following.until("broken").await;
    assert!(
        told.concat().contains("resources: [\"services\"]"),
        "{told:?}"
    );
    following.api.allow(SERVICES, "list");
    let told = following.until("synced").await;
    assert!(told.contains(&shown("a", 80)), "{told:?}");
}

#[tokio::test]
async fn a_kind_whose_lists_always_fail_does_not_keep_the_others_waiting() {
    let api = Api::start().await;
    api.install(RULES);
    api.refuse(RULES, "list", 502, "<html>somebody else's page</html>");
    api.put(SERVICES, service("a", 80));
    let mut following = Following::start(api, &Scope::default());
    let told = following.until("synced").await;
    assert!(told.contains(&shown("a", 80)), "{told:?}");
    let said = told.iter().find(|line| line.starts_with("broken")).unwrap();
    assert!(
        said.contains("answers 502") && !said.contains("html"),
        "{said}"
    );
}

#[tokio::test]
async fn an_answer_that_is_no_json_is_not_taken_for_an_empty_list() {
    let api = Api::start().await;
    api.install(RULES);
    api.put(RULES, rule("r", "a"));
    let mut following = Following::synced(api).await;
    following.api.refuse(RULES, "list", 200, "{\"items\":[");
    following.api.refuse(RULES, "watch", 410, "{}");
    following.api.cut(RULES);
    let told = following.until("broken").await;
    assert!(told[0].contains("cannot be read"), "{told:?}");
    assert!(!told.iter().any(|line| line.starts_with('-')), "{told:?}");
}
