//! The rules of Kubernetes' objects that the mesh relies on.

use std::collections::BTreeSet;
use std::net::IpAddr;

use mesh_model::diag::Diagnostic;
use mesh_model::name::{Hostname, ResourceKey};

use super::{Findings, names};
use crate::codes;
use crate::kubernetes::ingress::{Ingress, IngressBackend};
use crate::kubernetes::secret::{Part, Secret, TLS};
use crate::kubernetes::{AddressType, Container, Deployment, EndpointSlice, Pod, PodSpec, Service};

/// Checks a Service by itself.
pub fn service(service: &Service, key: &ResourceKey, found: &mut Vec<Diagnostic>) {
    let findings = &mut Findings { key, found };
    findings.check("metadata.name", names::dns_label(&key.name));
    names::check_labels(findings, "spec.selector", &service.selector);
    let external = service.is_external_name();
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

/// Checks a Secret by itself: one whose type says that it is a certificate must be one.
pub fn secret(secret: &Secret, key: &ResourceKey, found: &mut Vec<Diagnostic>) {
    let findings = &mut Findings { key, found };
    if secret.secret_type != TLS {
        return;
    }
    match &secret.certificate {
        Part::Missing => findings.error("data", "has no tls.crt and tls.key"),
        Part::Bad(why) => findings.error("data", why.clone()),
        Part::Good(_) => {}
    }
    if let Part::Bad(why) = &secret.roots {
        findings.error("data", why.clone());
    }
}

/// Checks an Ingress by itself.
pub fn ingress(ingress: &Ingress, key: &ResourceKey, found: &mut Vec<Diagnostic>) {
    let findings = &mut Findings { key, found };
    for (index, rule) in ingress.rules.iter().enumerate() {
        let place = format!("spec.rules[{index}]");
        if !rule.host.is_empty() {
            let host = Hostname::parse(&rule.host).map(drop);
            let host = host.map_err(|error| error.to_string());
            findings.check(format!("{place}.host"), host);
        }
        for (index, path) in rule.http.paths.iter().enumerate() {
            let place = format!("{place}.http.paths[{index}]");
            if !path.path.is_empty() && !path.path.starts_with('/') {
                let text = format!("{:?} does not begin with a slash", path.path);
                findings.error(format!("{place}.path"), text);
            }
            check_backend(&path.backend, &format!("{place}.backend"), findings);
        }
    }
    if let Some(backend) = ingress.default_backend() {
        check_backend(backend, "spec.defaultBackend", findings);
    }
    for (index, tls) in ingress.tls.iter().enumerate() {
        if tls.secret_name.is_empty() {
            let field = format!("spec.tls[{index}].secretName");
            let hint = "until it is given, its hosts are not served by TLS";
            findings.warning(codes::SCHEMA, field, "is missing", hint);
        }
    }
}

fn check_backend(backend: &IngressBackend, field: &str, findings: &mut Findings<'_>) {
    if backend.service().is_none() {
        let hint = "requests for it get 404";
        findings.warning(codes::UNSUPPORTED, field, "is no Service", hint);
    }
}
