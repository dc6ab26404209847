use super::*;
use serde_json::json;

#[test]
fn the_chart_refuses_exactly_the_names_that_its_schema_does_not_have() {
    let root = crate::root();
    let there = std::fs::read_to_string(names_file(&root)).unwrap();
    assert!(there == wanted(&root).unwrap(), "run: cargo xtask charts");
}

#[test]
fn names_are_read_through_references_and_end_where_any_name_may_stand() {
    let schema = json!({
        "properties": {
            "gateways": {
                "properties": {"enabled": {"type": "boolean"}},
                "additionalProperties": {"$ref": "#/$defs/gateway"},
            },
            "nodeSelector": {"type": "object"},
        },
        "$defs": {"gateway": {"properties": {"type": {"type": "string"}}}},
    });
    let wanted = json!({
        "gateways": {"enabled": null, "*": {"type": null}},
        "nodeSelector": null,
    });
    assert_eq!(names(&schema, &schema), Some(wanted));
}
