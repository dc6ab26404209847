use serde_json::json;

use super::*;

#[track_caller]
fn check(text: &str, wanted: Value) {
    let mut values = json!({});
    assert_eq!(set(&mut values, text), Ok(()), "{text}");
    assert_eq!(values, wanted, "{text}");
}

#[test]
fn set_reads_what_helm_reads() {
    check("a=1", json!({"a": 1}));
    check("a.b=x,c=true", json!({"a": {"b": "x"}, "c": true}));
    check("a.b=null", json!({"a": {"b": null}}));
    check("a={x,2}", json!({"a": ["x", 2]}));
    check("a={}", json!({"a": []}));
    check("a[1].b=x", json!({"a": [null, {"b": "x"}]}));
    check("a=x=y", json!({"a": "x=y"}));
    check(
        r"a=10.0.0.0/8\,10.1.0.0/16",
        json!({"a": "10.0.0.0/8,10.1.0.0/16"}),
    );
    check(
        r"nodeSelector.kubernetes\.io/os=linux",
        json!({"nodeSelector": {"kubernetes.io/os": "linux"}}),
    );
    check("tag=007", json!({"tag": "007"}));
    check("a=", json!({"a": ""}));
}

#[test]
fn what_sets_nothing_is_refused() {
    for text in ["", "a", "=x", "a..b=1", "a[x]=1", "a[99999]=1"] {
        assert!(set(&mut json!({}), text).is_err(), "{text:?}");
    }
}

#[test]
fn later_values_are_laid_over_earlier_ones() {
    let mut values = json!({"a": {"b": 1, "c": [1, 2]}, "d": 1});
    lay(&mut values, json!({"a": {"c": [3], "e": 1}, "d": null}));
    assert_eq!(values, json!({"a": {"b": 1, "c": [3], "e": 1}}));
}
