use super::*;
use crate::testing::call;

fn pairs(recipe: &Recipe, head: &RequestHead) -> Option<Vec<(String, String)>> {
    let known = Known {
        head,
        client: "192.0.2.77".parse().unwrap(),
        source: "web.default",
        destination: Some("outbound|80||app"),
    };
    let text = |entry: &Entry<'_>| {
        let value = String::from_utf8_lossy(&entry.value).into_owned();
        (entry.key.to_owned(), value)
    };
    recipe
        .describe(&known)
        .map(|made| made.iter().map(text).collect())
}

fn recipe(actions: Vec<Action>) -> Recipe {
    Recipe { stage: 0, actions }
}

fn header(name: &str, may_miss: bool) -> Action {
    Action::Header {
        name: HeaderName::parse(name),
        key: "h".into(),
        may_miss,
    }
}

fn query(name: &str) -> Action {
    Action::QueryParameter {
        name: name.into(),
        key: "q".into(),
        may_miss: false,
    }
}

#[test]
fn entries_come_in_the_order_of_the_actions() {
    let recipe = recipe(vec![
        Action::SourceCluster,
        Action::DestinationCluster,
        Action::RemoteAddress,
        Action::MaskedAddress { v4: 24, v6: 64 },
        header(":path", false),
        query("user"),
    ]);
    let made = pairs(&recipe, &call("GET http://a/b?user=x%20y%zz&user=2")).unwrap();
    let wanted = [
        ("source_cluster", "web.default"),
        ("destination_cluster", "outbound|80||app"),
        ("remote_address", "192.0.2.77"),
        ("masked_remote_address", "192.0.2.0/24"),
        ("h", "/b?user=x%20y%zz&user=2"),
        ("q", "x y%zz"),
    ];
    assert_eq!(made, wanted.map(|(k, v)| (k.to_owned(), v.to_owned())));
}

#[test]
fn what_is_missing_leaves_the_entry_or_all_out() {
    let head = call("GET http://a/\nx-a: 1\nx-a: 2");
    let there = recipe(vec![header("x-a", false), header("x-b", true)]);
    assert_eq!(pairs(&there, &head), Some(vec![("h".into(), "1".into())]));
    let missing = recipe(vec![header("x-a", false), header("x-b", false)]);
    assert_eq!(pairs(&missing, &head), None);
    assert_eq!(pairs(&recipe(vec![header("x-b", true)]), &head), None);
    assert_eq!(pairs(&recipe(vec![query("user")]), &head), None);
}

#[test]
fn the_client_is_who_stands_before_the_proxies_that_are_trusted() {
    let peer = "10.0.0.1".parse().unwrap();
    let head =
        call("GET http://a/\nx-forwarded-for: 1.1.1.1, 2.2.2.2\nx-forwarded-for: 2001:db8::3");
    let of = |trusted| client_address(&head, trusted, peer).to_string();
    assert_eq!(
        [0, 1, 2, 3].map(of),
        ["2001:db8::3", "2.2.2.2", "1.1.1.1", "10.0.0.1"]
    );
    let none = call("GET http://a/");
    assert_eq!(client_address(&none, 0, peer), peer);
    let odd = call("GET http://a/\nx-forwarded-for: unknown");
    assert_eq!(client_address(&odd, 0, peer), peer);
}
