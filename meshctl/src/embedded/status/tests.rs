use serde_json::json;

use super::{ComponentStatus, Ingress, State, Status, WorkloadStatus};

#[test]
fn the_contract_has_exactly_its_members() {
    let status = Status {
        ingress: Ingress {
            http: "http://127.0.0.1:8080".to_owned(),
        },
        components: vec![ComponentStatus {
            name: "pilot".to_owned(),
            pid: Some(7),
            admin: "http://127.7.0.11:15014".to_owned(),
            ready: true,
            restarts: 0,
            state: Some(State::Ready),
        }],
        workloads: vec![WorkloadStatus {
            name: "reviews-v1-0".to_owned(),
            namespace: "default".to_owned(),
            version: "v1".to_owned(),
            pid: None,
            sidecar_pid: Some(9),
            app_url: Some("http://127.0.0.1:21000".to_owned()),
            inbound: Some("http://127.7.1.1:9080".to_owned()),
            outbound: Some("http://127.7.1.1:15002".to_owned()),
            admin: "http://127.7.1.1:15000".to_owned(),
            ready: false,
            restarts: 2,
            state: Some(State::Restarting),
        }],
    };
    let expected = json!({
        "ingress": {"http": "http://127.0.0.1:8080"},
        "components": [{
            "name": "pilot", "pid": 7, "admin": "http://127.7.0.11:15014", "ready": true, "restarts": 0,
        }],
        "workloads": [{
            "name": "reviews-v1-0", "namespace": "default", "version": "v1", "pid": null,
            "sidecar_pid": 9, "app_url": "http://127.0.0.1:21000",
            "inbound": "http://127.7.1.1:9080", "outbound": "http://127.7.1.1:15002",
            "admin": "http://127.7.1.1:15000", "ready": false, "restarts": 2,
        }],
    });
    assert_eq!(status.contract(), expected);
}
