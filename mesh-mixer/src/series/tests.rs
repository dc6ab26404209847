use proptest::prelude::*;

use super::*;

fn check(metric: &str, labels: &[(&str, &str)], expected: Result<&str, Unusable>) {
    let got = Key::new(metric, labels.iter().copied()).map(|key| format!("{key:?}"));
    assert_eq!(got, expected.map(str::to_owned), "{metric} {labels:?}");
}

#[test]
fn labels_are_put_in_order() {
    let expected = r#"istio_requests_total{"app": "a", "version": "v1"}"#;
    let labels = [("version", "v1"), ("app", "a")];
    check("istio_requests_total", &labels, Ok(expected));
    check("up", &[], Ok("up{}"));
    check("up", &[("a", ""), ("b", "")], Ok(r#"up{"a": "", "b": ""}"#));
}

#[test]
fn what_prometheus_would_refuse_is_refused() {
    let long = "x".repeat(2000);
    let many: Vec<_> = (0..65).map(|n| (format!("l{n}"), String::new())).collect();
    let many: Vec<_> = many.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let large: Vec<_> = (0..20)
        .map(|n| (format!("l{n}"), "v".repeat(1000)))
        .collect();
    let large: Vec<_> = large
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_str()))
        .collect();
    for metric in ["", "1a", "a-b", "a b", "a\0", &long] {
        check(metric, &[], Err(Unusable::Metric));
    }
    for name in ["", "1a", "a:b", "le", "__name__", "é", &long] {
        check("m", &[(name, "v")], Err(Unusable::LabelName));
    }
    check("m", &[("a", "1"), ("a", "2")], Err(Unusable::LabelTwice));
    check("m", &[("a", "x\0y")], Err(Unusable::LabelValue));
    check("m", &[("a", &long)], Err(Unusable::LabelValue));
    check("m", &many, Err(Unusable::TooLarge));
    check("m", &large, Err(Unusable::TooLarge));
}

proptest! {
    #[test]
    fn a_key_gives_back_what_it_was_made_of(
        labels in proptest::collection::btree_map("[a-k][a-z0-9_]{0,8}", "[^\\x00]{0,20}", 0..12)
    ) {
        let pairs = labels.iter().map(|(n, v)| (n.as_str(), v.as_str()));
        let key = Key::new("m", pairs.clone().rev()).unwrap();
        prop_assert!(key.labels().eq(pairs));
        for (name, value) in &labels {
            prop_assert_eq!(key.label(name), Some(value.as_str()));
        }
        prop_assert_eq!(key.label("z"), None);
    }
}
