use serde_json::json;

use super::*;
use crate::commands::check::report::Report;

/// What is said of pilots' pages: result, promise and reason of each line.
fn said(pages: Value) -> Vec<String> {
    let pages: Vec<ConfigStatus> = serde_json::from_value(pages).unwrap();
    let mut report = Report::default();
    let category = report.category("configuration");
    objects(&pages[0], category);
    connected(&pages, category);
    let json = report.to_json();
    let checks = json["categories"][0]["checks"].as_array().unwrap().iter();
    checks
        .map(|check| {
            let word = |name: &str| check[name].as_str().unwrap();
            let line = [word("result"), word("description"), word("error")];
            line.join(" | ").trim_end_matches(" | ").to_owned()
        })
        .collect()
}

fn object(group: &str, kind: &str, state: &str) -> Value {
    let why = (state != "InForce").then_some("has no ports");
    json!({
        "group": group, "kind": kind, "namespace": "shop", "name": "web",
        "state": state, "messages": why.as_slice(),
    })
}

#[test]
fn objects_of_kubernetes_are_no_configuration_of_the_mesh() {
    let rule = object("networking.istio.io", "VirtualService", "InForce");
    let page = |service: &str| {
        let others = [object("", "Pod", "InForce"), object("", "Service", service)];
        json!([{"objects": [rule, others[0], others[1]]}])
    };
    let counted = "success | 1 object of Istio's kinds in force as written";
    assert_eq!(
        said(page("InForce"))[..2],
        [counted, "success | objects of Kubernetes are understood"]
    );
    assert_eq!(
        said(page("SetAside"))[..2],
        [
            counted,
            "error | objects of Kubernetes are understood | service shop/web: SetAside: has no ports"
        ]
    );
}

#[test]
fn that_no_proxy_is_connected_is_no_success() {
    let lines = said(json!([{}, {}]));
    assert_eq!(
        lines[3..],
        ["warning | proxies take what pilot sends | no proxy is connected to pilot"]
    );
}

#[test]
fn proxies_of_all_pilots_are_counted_and_those_that_refuse_are_named() {
    let proxy = |name: &str, synced| json!({"proxy": name, "synced": synced});
    let refuses = json!({"proxy": "a.shop", "error": "no such cluster"});
    let lines = said(json!([
        {"proxies": [proxy("b.shop", true), refuses]},
        {"proxies": [proxy("c.shop", false)]},
    ]));
    assert_eq!(
        lines[3..],
        [
            "error | proxies take what pilot sends (3 proxies connected) | a.shop: no such cluster",
            "warning | proxies have what is in force | c.shop",
        ]
    );
}
