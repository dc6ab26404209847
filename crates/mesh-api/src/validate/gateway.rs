//! The rules of a Gateway (Istio: ValidateGateway), for the fields supported so far.

use std::collections::BTreeSet;
use std::net::IpAddr;

use mesh_model::diag::Diagnostic;
use mesh_model::name::{Hostname, ResourceKey, is_dns_label};

use super::{Findings, names};
use crate::networking::gateway::{Gateway, Server};

/// Checks a Gateway by itself.
pub fn check(gateway: &Gateway, key: &ResourceKey, found: &mut Vec<Diagnostic>) {
    let findings = &mut Findings { key, found };
    names::check_labels(findings, "spec.selector", &gateway.selector);
    if gateway.servers.is_empty() {
        findings.error("spec.servers", "has no server");
    }
    let mut seen = BTreeSet::new();
    for (index, server) in gateway.servers.iter().enumerate() {
        let place = format!("spec.servers[{index}]");
        let name = &server.port.name;
        if !name.is_empty() && !seen.insert(name) {
            let text = format!("{name:?} is the port of an earlier server");
            findings.error(format!("{place}.port.name"), text);
        }
        check_server(server, &place, findings);
    }
}

fn check_server(server: &Server, place: &str, findings: &mut Findings<'_>) {
    let missing = [
        ("port.number", server.port.number == 0),
        ("port.name", server.port.name.is_empty()),
        ("port.protocol", server.port.protocol.is_none()),
        ("hosts", server.hosts.is_empty()),
    ];
    for (field, _) in missing.iter().filter(|(_, missing)| *missing) {
        findings.error(format!("{place}.{field}"), "is missing");
    }
    if !server.bind.is_empty() && server.bind.parse::<IpAddr>().is_err() {
        let text = format!("{:?} is not an IP address", server.bind);
        findings.error(format!("{place}.bind"), text);
    }
    for (index, host) in server.hosts.iter().enumerate() {
        findings.check(format!("{place}.hosts[{index}]"), server_host(host));
    }
}

/// `[namespace/]name`; the name is `*`, `*.suffix`, or has a dot.
fn server_host(written: &str) -> Result<(), String> {
    let host = match written.split_once('/') {
        Some((namespace, host)) => {
            if !matches!(namespace, "*" | ".") && !is_dns_label(namespace) {
                return Err(format!("{namespace:?} is not a namespace, \"*\" or \".\""));
            }
            host
        }
        None => written,
    };
    Hostname::parse(host).map_err(|error| error.to_string())?;
    if host != "*" && !host.contains('.') {
        return Err(format!(
            "{host:?} is a short name; a gateway needs full ones"
        ));
    }
    Ok(())
}
