use std::collections::BTreeMap;
use std::time::UNIX_EPOCH;

use serde_json::json;

use super::*;

#[test]
fn a_proxy_shows_what_it_was_sent_and_refused() {
    let listeners = TypeStatus {
        sent: "2-7".into(),
        acked: "1-3".into(),
        acked_version: Some(1),
        last_error: Some("127.7.1.1_80: address is taken".into()),
        rejected: vec!["127.7.1.1_80".into()],
    };
    let status = ClientStatus {
        key: "a.default".into(),
        node: "sidecar~127.7.1.1~a.default~x".into(),
        connected_at: UNIX_EPOCH,
        types: BTreeMap::from([(any::LISTENER, listeners)]),
        published_version: Some(2),
        acked_version: Some(1),
    };
    let wanted = json!([{
        "proxy": "a.default",
        "node": "sidecar~127.7.1.1~a.default~x",
        "version_published": 2,
        "version_acked": 1,
        "cluster_sent": "", "cluster_acked": "",
        "endpoint_sent": "", "endpoint_acked": "",
        "listener_sent": "2-7", "listener_acked": "1-3",
        "route_sent": "", "route_acked": "",
        "last_error": "Listener: 127.7.1.1_80: address is taken",
    }]);
    assert_eq!(page(&[status]), wanted);
}
