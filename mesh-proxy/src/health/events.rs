//! Lines of event logs: `envoy.data.core.v3.HealthCheckEvent` as JSON.

use std::time::SystemTime;

use mesh_model::time::TimeFormat;
use mesh_traffic::health::{Check, Event, Happening, Kind, Probe};
use serde_json::{Map, Value, json};

/// One event, with the end of its line.
pub(super) fn line(cluster: &str, check: &Check, event: &Event, wall: SystemTime) -> Vec<u8> {
    let mut timestamp = Vec::new();
    TimeFormat::default().write(wall, &mut timestamp);
    let address = event.endpoint.address;
    let locality = &event.endpoint.locality;
    let (name, what) = happening(event.what);
    let mut all = Map::new();
    let mut put = |key: &str, value: Value| drop(all.insert(key.to_owned(), value));
    put("health_checker_type", kind_of(&check.probe).into());
    put(
        "host",
        json!({ "socket_address": {
            "protocol": "TCP",
            "address": address.ip().to_string(),
            "resolver_name": "",
            "ipv4_compat": false,
            "port_value": address.port(),
        } }),
    );
    put("cluster_name", cluster.into());
    put("timestamp", String::from_utf8_lossy(&timestamp).into());
    put(
        "locality",
        json!({
            "region": &*locality.region,
            "zone": &*locality.zone,
            "sub_zone": &*locality.sub_zone,
        }),
    );
    put(name, what);
    let mut line = Value::Object(all).to_string().into_bytes();
    line.push(b'\n');
    line
}

const fn kind_of(probe: &Probe) -> &'static str {
    match probe {
        Probe::Http(_) => "HTTP",
        Probe::Tcp(_) => "TCP",
        Probe::Grpc(_) => "GRPC",
    }
}

fn happening(what: Happening) -> (&'static str, Value) {
    match what {
        Happening::Ejected { kind, status } => (
            "eject_unhealthy_event",
            json!({ "failure_type": failure(kind), "http_status_code": status }),
        ),
        Happening::Added { first } => ("add_healthy_event", json!({ "first_check": first })),
        Happening::Passed => ("successful_health_check_event", json!({})),
        Happening::Failed {
            kind,
            status,
            first,
        } => (
            "health_check_failure_event",
            json!({
                "failure_type": failure(kind),
                "first_check": first,
                "http_status_code": status,
            }),
        ),
        Happening::Degraded => ("degraded_healthy_host", json!({})),
        Happening::NotDegraded => ("no_longer_degraded_host", json!({})),
    }
}

const fn failure(kind: Kind) -> &'static str {
    match kind {
        Kind::Active => "ACTIVE",
        Kind::Passive => "PASSIVE",
        Kind::Network => "NETWORK",
        Kind::Timeout => "NETWORK_TIMEOUT",
    }
}
