//! From what users write to the words of mesh-model.

use std::net::IpAddr;

use mesh_model::name::{BadHostname, Hostname};
use mesh_model::net::Protocol;

use crate::kubernetes::{ServicePort, Transport};

/// The DNS domain of the cluster unless a setting says otherwise.
pub const DEFAULT_DOMAIN: &str = "cluster.local";

/// The host that `host` means in an object of `namespace`.
///
/// istio: a name without a dot belongs to the object's own namespace; a name with a dot is taken
/// as it is, so that `reviews.prod` stays `reviews.prod`.
///
/// # Errors
/// [`BadHostname`] when it is neither a host name nor an address.
pub fn resolve_host(host: &str, namespace: &str, domain: &str) -> Result<Hostname, BadHostname> {
    let short = !host.contains('.') && !host.starts_with('*') && host.parse::<IpAddr>().is_err();
    if short && !host.is_empty() {
        return service_host(host, namespace, domain);
    }
    Hostname::parse(host)
}

/// The host of a Kubernetes service.
///
/// # Errors
/// [`BadHostname`] when a part has characters that no host name has.
pub fn service_host(name: &str, namespace: &str, domain: &str) -> Result<Hostname, BadHostname> {
    Hostname::parse(&format!("{name}.{namespace}.svc.{domain}"))
}

/// Ports whose servers speak first, so that they are no HTTP even if nothing is declared.
///
/// istio: `pkg/config/kube/conversion.go`, well-known ports.
const SERVER_FIRST_PORTS: [u16; 4] = [25, 53, 3306, 27017];

/// What is spoken on a Service's port: by its transport, then by `appProtocol`, by its name, and
/// for well-known ports by their number.
#[must_use]
pub fn port_protocol(port: &ServicePort) -> Protocol {
    if port.protocol != Transport::Tcp {
        return Protocol::Udp;
    }
    let declared = port.app_protocol.as_deref();
    declared
        .and_then(Protocol::from_app_protocol)
        .or_else(|| Protocol::from_port_name(&port.name))
        .unwrap_or_else(|| match SERVER_FIRST_PORTS.contains(&port.port) {
            true => Protocol::Tcp,
            false => Protocol::Auto,
        })
}

/// Whether an object of `owner`, exported to `export_to`, is seen from `viewer`.
///
/// An empty list means everywhere, `.` the owner's namespace, `~` nowhere.
#[must_use]
pub fn exported(export_to: &[String], owner: &str, viewer: &str) -> bool {
    export_to.is_empty()
        || export_to.iter().any(|to| match to.as_str() {
            "*" => true,
            "." => owner == viewer,
            namespace => namespace == viewer,
        })
}

/// The namespace and name of the gateway that a VirtualService of `namespace` means.
///
/// `name` is in its own namespace, `namespace/name` elsewhere. istio: `name.namespace` and its
/// longer forms are the old spelling.
#[must_use]
pub fn resolve_gateway<'a>(written: &'a str, namespace: &'a str) -> (&'a str, &'a str) {
    if let Some(parts) = written.split_once('/') {
        return parts;
    }
    let mut parts = written.split('.');
    let name = parts.next().unwrap_or_default();
    (parts.next().unwrap_or(namespace), name)
}

#[cfg(test)]
mod tests;
