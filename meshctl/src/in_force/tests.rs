use mesh_api::decode::objects;
use serde_json::{Value, json};

use super::{Change, Verdict, judge};

fn mk_changes() -> (Change, Change) {
    let text = "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: web}\nspec: {}";
    let object = objects("gateway.yaml", text).0.remove(0);
    (Change::put(&object), Change::gone(object.key))
}

fn mk_page(state: &str, content: &str, synced: bool, error: Option<&str>) -> Value {
    json!({
        "version": 4,
        "objects": [{
            "group": "networking.istio.io", "kind": "Gateway", "namespace": "default",
            "name": "web", "state": state, "content": content,
            "messages": ["gateway default/web: spec.servers: is empty"],
        }],
        "proxies": [{"proxy": "web-0.default", "synced": synced, "version": 4, "error": error}],
    })
}

#[track_caller]
fn check(page: Value, change: Change, expected: &Verdict) {
    let status = serde_json::from_value(page).unwrap();
    assert_eq!(judge(&status, &[change]), *expected);
}

#[test]
fn a_change_is_in_force_when_pilot_has_read_it_and_every_proxy_has_it() {
    let (put, gone) = mk_changes();
    let content = put.content.clone().unwrap();
    let waiting = |text: &str| Verdict::Waiting(text.to_owned());
    check(
        mk_page("InForce", &content, true, None),
        put.clone(),
        &Verdict::InForce,
    );
    check(
        mk_page("InForce", "old", true, None),
        put.clone(),
        &waiting("pilot has not read gateway default/web"),
    );
    check(
        mk_page("InForce", &content, false, None),
        put.clone(),
        &waiting("web-0.default has not got it"),
    );
    let refused = waiting("web-0.default refused it: no such thing");
    check(
        mk_page("InForce", &content, false, Some("no such thing")),
        put.clone(),
        &refused,
    );
    let aside =
        Verdict::SetAside("gateway default/web: LastGood: spec.servers: is empty".to_owned());
    check(
        mk_page("LastGood", &content, true, None),
        put.clone(),
        &aside,
    );
    check(
        mk_page("InForce", &content, true, None),
        gone.clone(),
        &waiting("pilot has not read gateway default/web"),
    );
    check(
        json!({"objects": [], "proxies": []}),
        gone,
        &Verdict::InForce,
    );
    check(
        json!({}),
        put,
        &waiting("pilot has not read gateway default/web"),
    );
}
