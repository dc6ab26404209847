//! The init container that sends the pod's traffic to the sidecar: `mesh-proxy capture` with the
//! options of Istio's `istio-iptables`.

use serde_json::{Value, json};

use super::CAPTURE;
use super::sidecar::with_image;
use crate::settings::{
    Capture, HEALTH_PORT, INBOUND_PORT, METRICS_PORT, OUTBOUND_PORT, PROXY_USER, Settings,
};

pub(super) fn container(settings: &Settings) -> Value {
    let capture = &settings.capture;
    let container = json!({
        "name": CAPTURE,
        "command": settings.proxy.command,
        "args": arguments(capture, settings.proxy.status_port),
        "resources": capture.resources,
        "securityContext": {
            "allowPrivilegeEscalation": false,
            // NET_RAW because iptables of the legacy kind asks for a raw socket.
            "capabilities": {"add": ["NET_ADMIN", "NET_RAW"], "drop": ["ALL"]},
            "privileged": false,
            // iptables keeps a lock file.
            "readOnlyRootFilesystem": false,
            "runAsGroup": 0,
            "runAsNonRoot": false,
            "runAsUser": 0,
        },
    });
    let image = match capture.image.as_str() {
        "" => &settings.proxy.image,
        image => image,
    };
    with_image(container, image, &settings.proxy.image_pull_policy)
}

fn arguments(capture: &Capture, status_port: u16) -> Vec<String> {
    let own = [METRICS_PORT, HEALTH_PORT, status_port];
    let own = own.iter().filter(|port| **port > 0).map(u16::to_string);
    let others = capture.exclude_inbound_ports.split(',').map(str::to_owned);
    let excluded: Vec<String> = own.chain(others.filter(|one| !one.is_empty())).collect();
    let flags = [
        ("-p", OUTBOUND_PORT.to_string()),
        ("-z", INBOUND_PORT.to_string()),
        ("-u", PROXY_USER.to_string()),
        ("-m", capture.mode.word().to_owned()),
        ("-i", capture.include_outbound_ip_ranges.clone()),
        ("-x", capture.exclude_outbound_ip_ranges.clone()),
        ("-b", capture.include_inbound_ports.clone()),
        ("-d", excluded.join(",")),
    ];
    let optional = [
        ("-q", &capture.include_outbound_ports),
        ("-o", &capture.exclude_outbound_ports),
        ("-k", &capture.virtual_interfaces),
        ("-c", &capture.exclude_interfaces),
    ];
    let optional = optional.into_iter().filter(|(_, value)| !value.is_empty());
    let mut arguments = vec!["capture".to_owned()];
    for (flag, value) in flags {
        arguments.extend([flag.to_owned(), value]);
    }
    for (flag, value) in optional {
        arguments.extend([flag.to_owned(), value.clone()]);
    }
    arguments
}
