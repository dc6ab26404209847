use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use mesh_api::decode::objects;

use super::*;

fn snapshot() -> Snapshot {
    let text = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{port: 1}]}";
    let object = Arc::new(objects("a.yaml", text).0.remove(0));
    let diagnostic = Diagnostic::error("IST0106", &object.key, "spec", "is odd");
    let state = ObjectState {
        state: State::LastGood,
        diagnostics: vec![diagnostic.clone()],
        object: object.clone(),
    };
    Snapshot {
        version: 3,
        states: BTreeMap::from([(object.key.clone(), state)]),
        broken: BTreeMap::from([("b.yaml".into(), vec![diagnostic])]),
        ..Snapshot::default()
    }
}

fn stream(key: &str, acked: Option<u64>) -> ClientStatus {
    ClientStatus {
        key: key.into(),
        node: String::new(),
        connected_at: UNIX_EPOCH,
        types: BTreeMap::new(),
        published_version: Some(3),
        acked_version: acked,
    }
}

#[test]
fn the_page_says_what_is_in_force_and_where() {
    let snapshot = snapshot();
    let key = snapshot.states.keys().next().unwrap();
    let found = [Diagnostic::warning(
        "MESH0003",
        key,
        "spec.ports[0]",
        "is not carried",
    )];
    let streams = [
        stream("a.default", Some(3)),
        stream("b.default", Some(2)),
        stream("c.default", None),
    ];
    let wanted = json!({
        "version": 3,
        "objects": [{
            "group": "", "kind": "Service", "namespace": "default", "name": "a",
            "state": "LastGood",
            "messages": [
                "service default/a: spec: is odd",
                "service default/a: spec.ports[0]: is not carried",
            ],
            "content": snapshot.states[key].object.content_hash(),
        }],
        "broken": [{"origin": "b.yaml", "message": "service default/a: spec: is odd"}],
        "proxies": [
            {"proxy": "a.default", "synced": true, "version": 3, "error": null},
            {"proxy": "b.default", "synced": false, "version": 2, "error": null},
            {"proxy": "c.default", "synced": false, "version": null, "error": null},
        ],
    });
    assert_eq!(page(&snapshot, &found, &streams), wanted);
}
