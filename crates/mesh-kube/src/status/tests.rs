use serde_json::json;

use super::content::*;
use super::*;

fn status(accepted: bool, messages: &[&str]) -> Status {
    let told = messages
        .iter()
        .map(|text| ("IST0101".to_owned(), "ERROR", (*text).to_owned()));
    Status {
        api_version: "networking.istio.io/v1".into(),
        generation: 3,
        accepted,
        reason: if accepted { "InForce" } else { "SetAside" },
        messages: told.collect(),
    }
}

fn since(written: &Written) -> String {
    let patch = patch(&key(), written);
    patch["status"]["conditions"][0]["lastTransitionTime"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn key() -> ResourceKey {
    ResourceKey {
        group: "networking.istio.io".into(),
        kind: "VirtualService".into(),
        namespace: "n".into(),
        name: "r".into(),
    }
}

#[test]
fn only_a_change_moves_the_time_of_the_transition() {
    let first = Written::now(status(true, &[]), None, "1".to_owned());
    let other_text = Written::now(status(true, &["no host"]), Some(&first), "2".to_owned());
    let fallen = Written::now(
        status(false, &["no host"]),
        Some(&other_text),
        "3".to_owned(),
    );
    assert_eq!([&first, &other_text, &fallen].map(since), ["1", "1", "3"]);
    assert!(first.says(&status(true, &[])) && !first.says(&status(true, &["no host"])));
}

#[test]
fn what_is_written_reads_back_as_the_same() {
    let written = Written::now(status(false, &["no host"]), None, "1".to_owned());
    let mut object = patch(&key(), &written);
    object["status"]["conditions"][0]["message"] = json!("no host");
    let list = json!({"metadata": {"continue": ""}, "items": [object]}).to_string();
    let kind = kinds::find("networking.istio.io", "VirtualService").unwrap();
    let (known, next) = page(list.as_bytes(), kind).unwrap();
    assert_eq!((known, next), (vec![(key(), written.clone())], None));
    assert!(written.says(&status(false, &["no host"])));
}

#[test]
fn the_path_is_the_subresource_of_the_version_that_was_read() {
    let written = Written::now(status(true, &[]), None, "1".to_owned());
    let path = "/apis/networking.istio.io/v1/namespaces/n/virtualservices/r/status\
                ?fieldManager=mesh-pilot&force=true";
    assert_eq!(path_of(&key(), &written).as_deref(), Some(path));
}
