//! The rules of a Gateway (Istio: ValidateGateway), for the fields supported so far.

use std::collections::BTreeSet;
use std::net::IpAddr;

use mesh_model::diag::Diagnostic;
use mesh_model::name::{Hostname, ResourceKey, is_dns_label};
use mesh_model::net::Protocol;

use super::{Findings, names};
use crate::networking::gateway::{Gateway, Server, ServerTls, ServerTlsMode, TlsVersion};

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
    check_tls(server, place, findings);
    for (index, host) in server.hosts.iter().enumerate() {
        findings.check(format!("{place}.hosts[{index}]"), server_host(host));
    }
}

fn check_tls(server: &Server, place: &str, findings: &mut Findings<'_>) {
    let field = format!("{place}.tls");
    let Some(tls) = &server.tls else {
        if server.is_tls() {
            findings.error_with_hint(field, "is missing", "say who ends TLS in tls.mode");
        }
        return;
    };
    if !server.is_tls() {
        let redirect_alone = ServerTls {
            https_redirect: tls.https_redirect,
            ..ServerTls::default()
        };
        if *tls != redirect_alone {
            let hint = "give the port the protocol HTTPS or TLS";
            findings.error_with_hint(field, "is for ports of TLS, but for httpsRedirect", hint);
        }
        return;
    }
    if server.port.protocol == Some(Protocol::Tls) && tls.mode != ServerTlsMode::Passthrough {
        let text = format!("{} of protocol TLS is", tls.mode.word());
        findings.unsupported(format!("{field}.mode"), &text);
    }
    check_certificates(tls, &field, findings);
    let (least, most) = (tls.min_protocol_version, tls.max_protocol_version);
    if most != TlsVersion::Auto && least > most {
        let text = "is greater than maxProtocolVersion";
        findings.error(format!("{field}.minProtocolVersion"), text);
    }
}

fn check_certificates(tls: &ServerTls, field: &str, findings: &mut Findings<'_>) {
    let mode = tls.mode;
    let named = tls.credentials().next().is_some();
    let files = !(tls.server_certificate.is_empty() && tls.private_key.is_empty());
    let roots = !tls.ca_certificates.is_empty();
    if !mode.needs_certificate() {
        if named || files || roots || !tls.ca_cert_credential_name.is_empty() {
            let text = format!("{} goes without certificates of your own", mode.word());
            findings.error(field, text);
        }
        return;
    }
    for (name, index) in tls.credential_names.iter().zip(0..) {
        let field = format!("{field}.credentialNames[{index}]");
        findings.check(field, names::object_name(name));
    }
    for (name, of) in [
        (&tls.credential_name, "credentialName"),
        (&tls.ca_cert_credential_name, "caCertCredentialName"),
    ] {
        if !name.is_empty() {
            findings.check(format!("{field}.{of}"), names::object_name(name));
        }
    }
    if tls.credential_names.len() > 2 {
        findings.error(format!("{field}.credentialNames"), "has more than two");
    }
    if named && files {
        findings.error(field, "has both a credential and files");
    } else if !named {
        for (path, of) in [
            (&tls.server_certificate, "serverCertificate"),
            (&tls.private_key, "privateKey"),
        ] {
            if path.is_empty() {
                let hint = "or give a credentialName";
                findings.error_with_hint(format!("{field}.{of}"), "is missing", hint);
            }
        }
        if mode.needs_roots() && !roots && tls.ca_cert_credential_name.is_empty() {
            findings.error(format!("{field}.caCertificates"), "is missing");
        }
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
