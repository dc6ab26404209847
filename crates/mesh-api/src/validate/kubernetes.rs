//! The rules of Kubernetes' objects that the mesh relies on.

use std::collections::BTreeSet;
use std::net::IpAddr;

use mesh_model::diag::Diagnostic;
use mesh_model::name::ResourceKey;

use super::{Findings, names};
use crate::kubernetes::{
    AddressType, Container, Deployment, EndpointSlice, Pod, PodSpec, Service, ServiceType,
};

/// Checks a Service by itself.
pub fn service(service: &Service, key: &ResourceKey, found: &mut Vec<Diagnostic>) {
    let findings = &mut Findings { key, found };
    findings.check("metadata.name", names::dns_label(&key.name));
    names::check_labels(findings, "spec.selector", &service.selector);
    let external = service.service_type == ServiceType::ExternalName;
    if external
        && service
            .external_name
            .as_deref()
            .unwrap_or_default()
            .is_empty()
    {
        findings.error("spec.externalName", "is missing");
    }
    if service.ports.is_empty() && !external && !service.is_headless() {
        findings.error("spec.ports", "has no port");
    }
    check_service_ports(service, findings);
}

fn check_service_ports(service: &Service, findings: &mut Findings<'_>) {
    let (mut named, mut numbered) = (BTreeSet::new(), BTreeSet::new());
    for (index, port) in service.ports.iter().enumerate() {
        let place = format!("spec.ports[{index}]");
        if port.port == 0 {
            findings.error(format!("{place}.port"), "is missing");
        } else if !numbered.insert((port.port, port.protocol as u8)) {
            let text = format!("{} is the number of an earlier port", port.port);
            findings.error(format!("{place}.port"), text);
        }
        let field = format!("{place}.name");
        if port.name.is_empty() && service.ports.len() > 1 {
            findings.error(field, "is missing: each of several ports needs a name");
        } else if !port.name.is_empty() && !named.insert(&port.name) {
            let text = format!("{:?} is the name of an earlier port", port.name);
            findings.error(field, text);
        }
    }
}

/// Checks a Deployment, or another owner of a pod template, by itself.
pub fn deployment(deployment: &Deployment, key: &ResourceKey, found: &mut Vec<Diagnostic>) {
    let findings = &mut Findings { key, found };
    let labels = &deployment.template.metadata.labels;
    names::check_labels(findings, "spec.template.metadata.labels", labels);
    if !labels.contain(&deployment.selector.match_labels) {
        findings.error_with_hint(
            "spec.selector.matchLabels",
            "does not match the labels of the pod template",
            "make them the same as in spec.template.metadata.labels",
        );
    }
    let spec = &deployment.template.spec;
    if spec.containers.is_empty() {
        findings.error("spec.template.spec.containers", "has no container");
    }
    check_pod_spec(spec, "spec.template.spec", findings);
    for (index, container) in spec.containers.iter().enumerate() {
        let place = format!("spec.template.spec.containers[{index}]");
        for (field, text) in [("name", &container.name), ("image", &container.image)] {
            if text.is_empty() {
                findings.error(format!("{place}.{field}"), "is missing");
            }
        }
    }
}

/// Checks a Pod by itself.
pub fn pod(pod: &Pod, key: &ResourceKey, found: &mut Vec<Diagnostic>) {
    check_pod_spec(&pod.spec, "spec", &mut Findings { key, found });
}

fn check_pod_spec(spec: &PodSpec, place: &str, findings: &mut Findings<'_>) {
    findings.check(
        format!("{place}.serviceAccountName"),
        names::object_name(spec.service_account()),
    );
    let mut seen = BTreeSet::new();
    for (index, container) in spec.containers.iter().enumerate() {
        let place = format!("{place}.containers[{index}]");
        if !container.name.is_empty() && !seen.insert(&container.name) {
            let text = format!("{:?} is the name of an earlier container", container.name);
            findings.error(format!("{place}.name"), text);
        }
        check_container(container, &place, findings);
    }
}

fn check_container(container: &Container, place: &str, findings: &mut Findings<'_>) {
    for (index, port) in container.ports.iter().enumerate() {
        if port.container_port == 0 {
            let field = format!("{place}.ports[{index}].containerPort");
            findings.error(field, "is missing");
        }
    }
    for (index, variable) in container.env.iter().enumerate() {
        if variable.name.is_empty() || variable.name.contains(['=', '\0']) {
            let field = format!("{place}.env[{index}].name");
            findings.error(
                field,
                format!("{:?} is not a variable's name", variable.name),
            );
        }
    }
}

/// Checks an EndpointSlice by itself.
pub fn endpoint_slice(slice: &EndpointSlice, key: &ResourceKey, found: &mut Vec<Diagnostic>) {
    let findings = &mut Findings { key, found };
    for (endpoint, entry) in slice.endpoints.iter().enumerate() {
        for (index, text) in entry.addresses.iter().enumerate() {
            let fits = match slice.address_type {
                AddressType::IPv4 => matches!(text.parse(), Ok(IpAddr::V4(_))),
                AddressType::IPv6 => matches!(text.parse(), Ok(IpAddr::V6(_))),
                AddressType::Fqdn => true,
            };
            if !fits {
                let field = format!("endpoints[{endpoint}].addresses[{index}]");
                let kind = slice.address_type;
                findings.error(field, format!("{text:?} is no {kind:?} address"));
            }
        }
    }
}
