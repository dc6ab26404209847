//! meshctl against the real API server, and against Helm.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Output};

use mesh_api::decode::documents;
use mesh_tests::mesh::binary;
use serde_json::Value;

use crate::cluster::{Cluster, shared, success};

fn meshctl(cluster: &Cluster, arguments: &[&str]) -> Output {
    let mut command = Command::new(binary("meshctl"));
    let file = cluster.folder().join("admin.conf");
    command.args(arguments).arg("--kubeconfig").arg(file);
    command.output().unwrap()
}

/// Objects by kind, namespace and name, whoever says that he manages them.
fn by_name(objects: Vec<Value>) -> BTreeMap<[String; 3], Value> {
    let key = |object: &Value, at: &str| {
        object
            .pointer(at)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let objects = objects.into_iter().map(|mut object| {
        for labels in ["/metadata/labels", "/spec/template/metadata/labels"] {
            if let Some(Value::Object(labels)) = object.pointer_mut(labels) {
                labels.remove("app.kubernetes.io/managed-by");
            }
        }
        let key = ["/kind", "/metadata/namespace", "/metadata/name"].map(|at| key(&object, at));
        (key, object)
    });
    objects.collect()
}

fn items(list: &str) -> Vec<Value> {
    let list: Value = serde_json::from_str(list).unwrap();
    list.get("items").unwrap().as_array().unwrap().clone()
}

#[test]
fn manifests_are_those_of_helm() {
    let cluster = shared().read();
    let charts = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../charts/mesh");
    let set = "global.mtls.enabled=true,pilot.nodeSelector.kubernetes\\.io/os=linux,global.hub=registry/x";
    for profile in ["default", "demo", "minimal"] {
        let values = charts.join(format!("profiles/{profile}.yaml"));
        let (charts, values) = (charts.to_string_lossy(), values.to_string_lossy());
        let template = [
            "template",
            "mesh",
            &charts,
            "-n",
            "elsewhere",
            "-f",
            &values,
            "--set",
            set,
        ];
        let helm = success(&cluster.run("helm", &template));
        let helm = documents::split(&helm);
        let helm = helm
            .iter()
            .map(|document| documents::parse(document).unwrap());
        let helm = helm.filter(Value::is_object).collect();
        let generate = [
            "manifest",
            "generate",
            "--skip-crds",
            "-i",
            "elsewhere",
            "--profile",
            profile,
            "--set",
            set,
            "-o",
            "json",
        ];
        let output = Command::new(binary("meshctl"))
            .args(generate)
            .output()
            .unwrap();
        let ours = items(&success(&output));
        let ours = by_name(ours);
        for (key, object) in by_name(helm) {
            assert_eq!(ours.get(&key), Some(&object), "{profile}: {key:?}");
        }
    }
}

#[test]
fn a_cluster_that_fits_is_found_good() {
    let cluster = shared().read();
    let output = meshctl(&cluster, &["check", "--pre"]);
    let text = success(&output);
    assert!(
        text.contains("√ may create customresourcedefinitions"),
        "{text}"
    );
    let missing = meshctl(&cluster, &["proxy-status", "-i", "nowhere"]);
    assert_eq!(missing.status.code(), Some(3), "{missing:?}");
}
