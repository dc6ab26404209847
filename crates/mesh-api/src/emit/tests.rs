use serde_json::json;

use super::*;
use crate::decode;

#[test]
fn the_order_of_members_is_fixed() {
    let value = json!({
        "status": {"b": 1, "a": 2},
        "spec": {"hosts": ["reviews"], "http": [{"route": [{"destination": {"host": "reviews"}}]}]},
        "metadata": {"name": "reviews", "labels": {}},
        "kind": "VirtualService",
        "apiVersion": "networking.istio.io/v1",
    });
    let expected = "\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  labels: {}
  name: reviews
spec:
  hosts:
  - reviews
  http:
  - route:
    - destination:
        host: reviews
status:
  a: 2
  b: 1
";
    assert_eq!(to_yaml(&value).unwrap(), expected);
}

#[test]
fn text_that_looks_like_something_else_comes_back_as_text() {
    let tricky = [
        "yes",
        "no",
        "on",
        "off",
        "y",
        "n",
        "NO",
        "null",
        "~",
        "1",
        "1.5",
        "0644",
        "0x1f",
        "1e3",
        "1:30",
        "1_000",
        "2001-01-01",
        "=",
        "<<",
        "",
        " ",
        "- a",
        "a: b",
        "# c",
        "*",
        "&a",
        "!t",
        "%YAML",
        "@",
        "`",
        "multi\nline\n",
        "tab\t",
        "ünïcode",
        "\u{7}",
        "'",
        "\"",
        "---",
        "...",
        "a very long text that has many words and would be folded over several lines if one let it",
    ];
    let annotations: serde_json::Map<String, Value> = tricky
        .iter()
        .enumerate()
        .map(|(index, text)| (format!("k{index}"), json!(text)))
        .collect();
    let value = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "tricky", "namespace": "default"}, "data": annotations,
    });
    let text = to_yaml(&value).unwrap();
    let (objects, found) = decode::objects("tricky.yaml", &text);
    assert_eq!(found, [], "{text}");
    assert_eq!(objects[0].value, value, "{text}");
}

#[test]
fn a_stream_reads_back_as_its_documents() {
    let mk =
        |name: &str| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    let values = [mk("a"), mk("b")];
    let text = to_yaml_stream(&values).unwrap();
    let (objects, found) = decode::objects("ns.yaml", &text);
    assert_eq!(found, []);
    let names: Vec<&str> = objects
        .iter()
        .map(|object| object.key.name.as_str())
        .collect();
    assert_eq!(names, ["a", "b"]);
}
