use super::*;

const TEXT: &str = "\
# a file of two documents
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: one
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: two
  labels: {app.kubernetes.io/name: two, 8: x}
spec:
  hosts:
  - two
  http:
  - match:
    - uri:
        prefix: /
    - headers: {end-user: {exact: jason}}
    route:
    - destination: {host: two}
      weight: 50
    - weight: 50
      destination: {host: two,
        subset: v2}
";

#[track_caller]
fn check(text: &str, document: usize, field: &str, expected: Option<usize>) {
    assert_eq!(line_of(text, document, None, field), expected, "{field}");
}

#[test]
fn a_field_stands_on_the_line_of_its_name() {
    check(TEXT, 1, "metadata.name", Some(5));
    check(TEXT, 2, "metadata", Some(9));
    check(TEXT, 2, "spec.hosts", Some(13));
    check(TEXT, 2, "spec.hosts[0]", Some(14));
    check(TEXT, 2, "spec.http[0]", Some(16));
    check(TEXT, 2, "spec.http[0].match[0].uri.prefix", Some(18));
    check(TEXT, 2, "spec.http[0].match[1].headers[end-user]", Some(19));
    check(TEXT, 2, "spec.http[0].route[0].weight", Some(22));
    check(TEXT, 2, "spec.http[0].route[1]", Some(23));
    check(
        TEXT,
        2,
        "spec.http[0].route[1].destination.subset",
        Some(25),
    );
    check(
        TEXT,
        2,
        "metadata.labels[\"app.kubernetes.io/name\"]",
        Some(11),
    );
    check(TEXT, 2, "metadata.labels.8", Some(11));
}

#[test]
fn of_a_field_that_is_missing_the_nearest_around_it_is_told() {
    check(TEXT, 2, "spec.http[0].route[0].destination.port", Some(21));
    check(TEXT, 2, "spec.http[7].route", Some(15));
    check(TEXT, 2, "spec.gateways", Some(12));
    check(TEXT, 2, "status", None);
    check(TEXT, 2, "", None);
    check(TEXT, 3, "spec", None);
    check("a: [1", 1, "a", None);
}

#[test]
fn an_alias_stands_where_it_is_used() {
    let text = "one: &one\n  deep: 1\ntwo: *one\n";
    check(text, 1, "two", Some(3));
    assert!(line_of(text, 1, None, "two.deep").is_some());
}

#[test]
fn json_has_lines_too() {
    check(
        "{\n  \"kind\": \"X\",\n  \"spec\": {\n    \"a\": [1,\n 2]}\n}",
        1,
        "spec.a[1]",
        Some(5),
    );
}

#[test]
fn the_item_of_a_list_is_found_by_its_name() {
    let text = "\
kind: List
items:
- kind: Service
  metadata: {name: a}
  spec: {}
- kind: Service
  metadata: {name: b, namespace: other}
  spec: {}
- kind: Service
  metadata: {name: b}
  spec: {}
";
    let key = |namespace: &str| ResourceKey {
        group: "".into(),
        kind: "Service".into(),
        namespace: namespace.into(),
        name: "b".into(),
    };
    assert_eq!(line_of(text, 1, Some(&key("default")), "spec"), Some(11));
    assert_eq!(line_of(text, 1, Some(&key("other")), "spec"), Some(8));
    let gone = ResourceKey {
        name: "c".into(),
        ..key("other")
    };
    assert_eq!(line_of(text, 1, Some(&gone), "spec"), None);
}
