use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::*;
use crate::emit;

/// What stands above the definitions of a group in the chart.
const HEAD: &str = "# Made by `cargo xtask crds` from the types of mesh-api; not to be edited.\n";

#[test]
fn the_chart_has_exactly_these_definitions() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../charts/mesh-init/templates");
    let wanted = files(&folder);
    if std::env::var_os("UPDATE").is_some() {
        for (file, text) in &wanted {
            std::fs::write(file, text).unwrap();
        }
    }
    let there = std::fs::read_dir(&folder).unwrap().flatten();
    let there = there.map(|entry| entry.path()).filter(|file| {
        let made = std::fs::read_to_string(file).unwrap();
        made.starts_with(HEAD)
    });
    let there: BTreeMap<PathBuf, String> = there
        .map(|file| (file.clone(), std::fs::read_to_string(file).unwrap()))
        .collect();
    assert_eq!(
        there.keys().collect::<Vec<_>>(),
        wanted.keys().collect::<Vec<_>>(),
        "a file for each group: cargo xtask crds"
    );
    for (file, text) in &wanted {
        assert!(there.get(file) == Some(text), "{file:?}: cargo xtask crds");
    }
}

fn files(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut groups: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for kind in defined() {
        groups.entry(kind.group).or_default().push(definition(kind));
    }
    let files = groups.into_iter().map(|(group, definitions)| {
        let text = emit::to_yaml_stream(&definitions).unwrap();
        assert!(!text.contains("{{"), "Helm would take it for a template");
        (
            folder.join(format!("{group}.yaml")),
            format!("{HEAD}{text}"),
        )
    });
    files.collect()
}

#[test]
fn every_kind_of_istio_1_1_and_of_today_is_defined() {
    let count = |group: &str| defined().filter(|kind| kind.group == group).count();
    assert_eq!(count("networking.istio.io"), 9);
    assert_eq!(count("security.istio.io"), 3);
    assert_eq!(count("telemetry.istio.io"), 1);
    assert_eq!(count("extensions.istio.io"), 2);
    assert_eq!(count("rbac.istio.io"), 4);
    assert_eq!(count("authentication.istio.io"), 2);
    assert_eq!(count("config.istio.io"), 41);
}

#[test]
fn each_definition_stores_one_version() {
    for definition in definitions() {
        let versions = definition["spec"]["versions"].as_array().unwrap();
        let stored = versions.iter().filter(|version| version["storage"] == true);
        assert_eq!(stored.count(), 1, "{}", definition["metadata"]["name"]);
    }
}

#[test]
fn what_istio_knows_and_mesh_does_not_is_left_to_the_webhook() {
    let kind = kinds::by_typed_name("vs").unwrap();
    let route = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/http/items";
    let definition = definition(kind);
    let fields = &definition.pointer(route).unwrap()["properties"];
    let kept = json!({"x-kubernetes-preserve-unknown-fields": true});
    assert_eq!(fields["delegate"], kept);
    assert_eq!(fields["timeout"]["type"], "string");
}
