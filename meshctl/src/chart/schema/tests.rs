use serde_json::json;

use super::*;
use crate::chart::files::{MESH, MESH_INIT};

fn keywords(schema: &Value, found: &mut Vec<String>) {
    match schema {
        Value::Object(members) => {
            for (name, value) in members {
                found.push(name.clone());
                match (name.as_str(), value) {
                    ("properties" | "$defs", Value::Object(named)) => {
                        named.values().for_each(|schema| keywords(schema, found));
                    }
                    (_, value) => keywords(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|schema| keywords(schema, found)),
        _ => {}
    }
}

#[test]
fn every_keyword_of_our_schemas_is_understood() {
    for chart in [MESH, MESH_INIT] {
        let schema: Value = serde_json::from_str(chart.schema).unwrap();
        let mut found = Vec::new();
        keywords(&schema, &mut found);
        found.retain(|name| !KNOWN.contains(&name.as_str()) && !SILENT.contains(&name.as_str()));
        assert_eq!(found, Vec::<String>::new(), "{}", chart.name);
    }
}

#[test]
fn values_of_another_type_are_named() {
    let schema: Value = serde_json::from_str(MESH.schema).unwrap();
    let values = json!({"global": {"imagePullPolicy": "Sometimes", "mtls": {"enabled": "yes"}}});
    assert_eq!(
        complaints(&schema, &values),
        [
            "global.imagePullPolicy: \"Sometimes\" is none of \"Always\", \"IfNotPresent\", \"Never\"",
            "global.mtls.enabled: \"yes\" is no boolean",
        ]
    );
}
