//! The rules of a VirtualService (Istio: ValidateVirtualService), for the fields supported so far.

mod cors;
mod mirrors;

use std::time::Duration;

use mesh_model::diag::Diagnostic;
use mesh_model::header_format;
use mesh_model::name::{Hostname, ResourceKey, is_dns_label};

use super::{Findings, export, match_rules, names};
use crate::codes;
use crate::networking::virtual_service::{
    Destination, FaultAbort, GRPC_STATUSES, HeaderOperations, Headers, HttpFault, HttpMatch,
    HttpRoute, HttpRouteDestination, MESH_GATEWAY, TlsRoute, VirtualService,
};

/// Checks a VirtualService by itself.
pub fn check(service: &VirtualService, key: &ResourceKey, found: &mut Vec<Diagnostic>) {
    let findings = &mut Findings { key, found };
    check_hosts(service, findings);
    for (index, gateway) in service.gateways.iter().enumerate() {
        check_gateway(gateway, &format!("spec.gateways[{index}]"), findings);
    }
    export::check(&service.export_to, findings);
    if !service.tls.is_empty() && service.for_sidecars() {
        findings.unsupported("spec.tls", "for sidecars (the gateway \"mesh\") is");
    }
    for (index, route) in service.tls.iter().enumerate() {
        check_tls_route(route, &format!("spec.tls[{index}]"), findings);
    }
    if service.http.is_empty() && service.tls.is_empty() {
        findings.error_with_hint("spec.http", "has no rule", "add a route to a destination");
    }
    for (index, route) in service.http.iter().enumerate() {
        check_route(route, &format!("spec.http[{index}]"), findings);
    }
    check_reachable(service, findings);
}

fn check_hosts(service: &VirtualService, findings: &mut Findings<'_>) {
    if service.hosts.is_empty() {
        findings.unsupported("spec.hosts", "is empty: a VirtualService to delegate to is");
    }
    let mut hosts: Vec<Hostname> = Vec::new();
    for (index, written) in service.hosts.iter().enumerate() {
        let field = format!("spec.hosts[{index}]");
        match Hostname::parse(written) {
            Ok(host) => {
                check_overlap(&host, &hosts, &field, findings);
                hosts.push(host);
            }
            Err(error) => findings.error(&field, error.to_string()),
        }
        if written == "*" && service.for_sidecars() {
            findings.error_with_hint(
                field,
                "\"*\" is for gateways, and this VirtualService is for sidecars too",
                "name a gateway in spec.gateways, and not \"mesh\"",
            );
        }
    }
}

fn check_overlap(host: &Hostname, before: &[Hostname], field: &str, findings: &mut Findings<'_>) {
    let overlapped = before
        .iter()
        .find(|other| other.covers(host) || host.covers(other));
    if let Some(other) = overlapped {
        findings.error(field, format!("\"{host}\" overlaps with \"{other}\""));
    }
}

/// Checks the name of a gateway: `mesh`, `name`, or `namespace/name`.
pub(super) fn check_gateway(gateway: &str, field: &str, findings: &mut Findings<'_>) {
    if gateway == MESH_GATEWAY {
        return;
    }
    if let Some((namespace, name)) = gateway.split_once('/') {
        if !is_dns_label(namespace) || names::object_name(name).is_err() {
            let text = format!("{gateway:?} is not a gateway: \"mesh\", a name, or namespace/name");
            findings.error(field, text);
        }
    } else if let Some((name, namespace)) = gateway.split_once('.') {
        let namespace = namespace.split('.').next().unwrap_or_default();
        let text = format!("{gateway:?} is the old way to name a gateway elsewhere");
        findings.check(field, names::object_name(gateway));
        findings.warning(
            codes::SCHEMA,
            field,
            text,
            format!("write {namespace}/{name}"),
        );
    } else {
        findings.check(field, names::object_name(gateway));
    }
}

fn check_route(route: &HttpRoute, place: &str, findings: &mut Findings<'_>) {
    for (index, matched) in route.matches.iter().enumerate() {
        match_rules::check(matched, &format!("{place}.match[{index}]"), findings);
    }
    if route.route.is_empty() {
        let text = "the rule goes nowhere";
        findings.error_with_hint(format!("{place}.route"), text, "add a destination");
    }
    for (index, destination) in route.route.iter().enumerate() {
        check_destination(destination, &format!("{place}.route[{index}]"), findings);
    }
    check_weights(&route.route, place, findings);
    check_headers(&route.headers, place, findings);
    if let Some(fault) = &route.fault {
        check_fault(fault, &format!("{place}.fault"), findings);
    }
    if let Some(policy) = &route.cors_policy {
        cors::check(policy, &format!("{place}.corsPolicy"), findings);
    }
    mirrors::check(route, place, findings);
    if let Some(timeout) = route.timeout {
        findings.check(format!("{place}.timeout"), check_timeout(timeout));
    }
}

fn check_tls_route(route: &TlsRoute, place: &str, findings: &mut Findings<'_>) {
    if route.matches.is_empty() {
        findings.error(format!("{place}.match"), "is missing");
    }
    for (index, matched) in route.matches.iter().enumerate() {
        let place = format!("{place}.match[{index}]");
        if matched.sni_hosts.is_empty() {
            findings.error(format!("{place}.sniHosts"), "is missing");
        }
        for (index, host) in matched.sni_hosts.iter().enumerate() {
            let host = Hostname::parse(host).map(drop);
            let host = host.map_err(|error| error.to_string());
            findings.check(format!("{place}.sniHosts[{index}]"), host);
        }
        for (index, gateway) in matched.gateways.iter().enumerate() {
            check_gateway(gateway, &format!("{place}.gateways[{index}]"), findings);
        }
    }
    if route.route.is_empty() {
        let text = "the rule goes nowhere";
        findings.error_with_hint(format!("{place}.route"), text, "add a destination");
    }
    for (index, to) in route.route.iter().enumerate() {
        let place = format!("{place}.route[{index}].destination");
        check_place(&to.destination, &place, findings);
    }
    let total: u64 = route.route.iter().map(|to| u64::from(to.weight)).sum();
    if route.route.len() > 1 && total == 0 {
        let text = "the weights of several destinations add up to nought";
        findings.error(format!("{place}.route"), text);
    }
}

fn check_fault(fault: &HttpFault, place: &str, findings: &mut Findings<'_>) {
    if fault.delay.is_none() && fault.abort.is_none() {
        findings.error(place, "has neither a delay nor an abort");
    }
    if let Some(delay) = &fault.delay {
        match delay.fixed_delay {
            None => findings.error(format!("{place}.delay.fixedDelay"), "is missing"),
            Some(wait) if wait < Duration::from_millis(1) => {
                findings.error(format!("{place}.delay.fixedDelay"), "is less than 1ms");
            }
            Some(_) => {}
        }
        check_percent(delay.percent, &format!("{place}.delay.percent"), findings);
    }
    if let Some(abort) = &fault.abort {
        check_abort(abort, &format!("{place}.abort"), findings);
    }
}

fn check_abort(abort: &FaultAbort, place: &str, findings: &mut Findings<'_>) {
    match (abort.http_status, &abort.grpc_status) {
        (None, None) => {
            let hint = "give httpStatus or grpcStatus";
            findings.error_with_hint(place, "does not say with what", hint);
        }
        (Some(status), _) if !(200..600).contains(&status) => {
            let text = format!("{status} is no status from 200 to 599");
            findings.error(format!("{place}.httpStatus"), text);
        }
        (_, Some(name)) if abort.grpc_code().is_none() => {
            let field = format!("{place}.grpcStatus");
            let text = format!("{name:?} is no status of gRPC");
            let hint = format!("one of {}", GRPC_STATUSES.join(", "));
            findings.error_with_hint(field, text, hint);
        }
        (_, _) => {}
    }
    check_percent(abort.percent, &format!("{place}.percent"), findings);
}

fn check_percent(percent: u32, field: &str, findings: &mut Findings<'_>) {
    if percent > 100 {
        findings.error(field, format!("{percent} is more than 100"));
    }
}

/// istio: nought turns the timeout off; otherwise whole milliseconds.
fn check_timeout(timeout: Duration) -> Result<(), String> {
    if timeout.subsec_nanos().is_multiple_of(1_000_000) {
        return Ok(());
    }
    Err("must be a whole number of milliseconds".to_owned())
}

fn check_weights(route: &[HttpRouteDestination], place: &str, findings: &mut Findings<'_>) {
    let total: u64 = route.iter().map(|to| u64::from(to.weight)).sum();
    if route.len() > 1 && total == 0 {
        findings.error_with_hint(
            format!("{place}.route"),
            "the weights of several destinations add up to nought",
            "give each destination a weight",
        );
    }
    if total > u64::from(u32::MAX) {
        findings.error(format!("{place}.route"), "the weights add up to too much");
    }
}

fn check_destination(to: &HttpRouteDestination, place: &str, findings: &mut Findings<'_>) {
    check_place(&to.destination, &format!("{place}.destination"), findings);
    check_headers(&to.headers, place, findings);
}

fn check_place(to: &Destination, place: &str, findings: &mut Findings<'_>) {
    let Destination { host, subset, port } = to;
    let field = format!("{place}.host");
    match host.as_str() {
        "" => findings.error(field, "is missing"),
        "*" => findings.error(field, "\"*\" is no destination"),
        host => findings.check(
            field,
            Hostname::parse(host)
                .map(|_| ())
                .map_err(|error| error.to_string()),
        ),
    }
    if !subset.is_empty() {
        let field = format!("{place}.subset");
        findings.check(field, names::dns_label(subset));
    }
    if port.is_some_and(|port| port.number == 0) {
        findings.error(format!("{place}.port.number"), "is missing");
    }
}

fn check_headers(headers: &Headers, place: &str, findings: &mut Findings<'_>) {
    let request = format!("{place}.headers.request");
    let response = format!("{place}.headers.response");
    check_operations(&headers.request, &request, Message::Request, findings);
    check_operations(&headers.response, &response, Message::Response, findings);
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Message {
    Request,
    Response,
}

fn check_operations(
    operations: &HeaderOperations,
    place: &str,
    message: Message,
    findings: &mut Findings<'_>,
) {
    // istio: setting `host` or `:authority` of a request rewrites the authority.
    let kinds = [("set", &operations.set), ("add", &operations.add)];
    for (kind, values) in kinds {
        for (name, value) in values {
            let field = format!("{place}.{kind}.{name}");
            let rewrites = message == Message::Request && name == ":authority";
            if is_reserved(name) && message == Message::Response {
                findings.error(field, format!("{name:?} cannot be set"));
            } else if !rewrites {
                findings.check(&field, names::header_name(name));
                findings.check(field, header_value(value));
            }
        }
    }
    for (index, name) in operations.remove.iter().enumerate() {
        let field = format!("{place}.remove[{index}]");
        if is_reserved(name) {
            findings.error(field, format!("{name:?} cannot be removed"));
        } else {
            findings.check(field, names::header_name(name));
        }
    }
}

fn is_reserved(name: &str) -> bool {
    name.starts_with(':') || name.eq_ignore_ascii_case("host")
}

fn header_value(value: &str) -> Result<(), String> {
    if value.bytes().any(|b| b.is_ascii_control() && b != b'\t') {
        return Err("a header's value has no control characters".to_owned());
    }
    // Proxies refuse a whole route table for one operator that they cannot fill in.
    header_format::of_header(value)
        .map(|_| ())
        .map_err(|why| why.to_string())
}

/// Warns of the rules after one that takes every request.
fn check_reachable(service: &VirtualService, findings: &mut Findings<'_>) {
    let Some(last) = service.http.iter().position(takes_everything) else {
        return;
    };
    for index in last + 1..service.http.len() {
        findings.warning(
            codes::UNREACHABLE,
            format!("spec.http[{index}]"),
            format!("can never be reached: spec.http[{last}] takes every request"),
            "put the more special rule first",
        );
    }
}

fn takes_everything(route: &HttpRoute) -> bool {
    route.matches.is_empty() || route.matches.iter().any(is_unconditional)
}

fn is_unconditional(matched: &HttpMatch) -> bool {
    matched.accepts_every_request()
        && matched.port.is_none()
        && matched.source_labels.0.is_empty()
        && matched.source_namespace.is_empty()
        && matched.gateways.is_empty()
}
