//! The rules of a DestinationRule (Istio: ValidateDestinationRule), for the fields supported so far.

use std::collections::BTreeSet;
use std::time::Duration;

use mesh_model::diag::Diagnostic;
use mesh_model::name::{Hostname, ResourceKey};

use super::{Findings, export, locality, names};
use crate::networking::destination_rule::{
    ConnectionPool, ConsistentHash, DestinationRule, H2UpgradePolicy, LoadBalancer,
    OutlierDetection, Subset, TrafficPolicy,
};

/// Most points of a ring (Envoy).
const MOST_POINTS: u64 = 8 << 20;
/// Most slots of a table (Envoy).
const MOST_SLOTS: u64 = 5_000_011;

/// Checks a DestinationRule by itself.
pub fn check(rule: &DestinationRule, key: &ResourceKey, found: &mut Vec<Diagnostic>) {
    let findings = &mut Findings { key, found };
    if rule.host.is_empty() {
        findings.error("spec.host", "is missing");
    } else if let Err(error) = Hostname::parse(&rule.host) {
        findings.error("spec.host", error.to_string());
    }
    if rule.traffic_policy.is_none() && rule.subsets.is_empty() {
        let text = "says nothing: it has neither a trafficPolicy nor subsets";
        findings.error("spec", text);
    }
    if let Some(policy) = &rule.traffic_policy {
        check_policy(policy, "spec.trafficPolicy", findings);
    }
    let mut seen = BTreeSet::new();
    for (index, subset) in rule.subsets.iter().enumerate() {
        let place = format!("spec.subsets[{index}]");
        if !seen.insert(&subset.name) {
            let text = format!("{:?} is the name of an earlier subset", subset.name);
            findings.error(format!("{place}.name"), text);
        }
        check_subset(subset, &place, findings);
    }
    export::check(&rule.export_to, findings);
}

fn check_subset(subset: &Subset, place: &str, findings: &mut Findings<'_>) {
    let field = format!("{place}.name");
    match subset.name.as_str() {
        "" => findings.error(field, "is missing"),
        name => findings.check(field, names::dns_label(name)),
    }
    names::check_labels(findings, &format!("{place}.labels"), &subset.labels);
    if let Some(policy) = &subset.traffic_policy {
        check_policy(policy, &format!("{place}.trafficPolicy"), findings);
    }
}

fn check_policy(policy: &TrafficPolicy, place: &str, findings: &mut Findings<'_>) {
    let empty = policy.load_balancer.is_none()
        && policy.connection_pool.is_none()
        && policy.outlier_detection.is_none()
        && policy.retry_budget.is_none()
        && policy.tls.is_none()
        && policy.port_level_settings.is_empty();
    if empty {
        findings.error(place, "is empty");
    }
    let ejects = policy.outlier_detection.is_some();
    check_balancer(policy.load_balancer.as_ref(), place, ejects, findings);
    check_pool(policy.connection_pool.as_ref(), place, findings);
    check_outliers(policy.outlier_detection.as_ref(), place, findings);
    let mut seen = BTreeSet::new();
    for (index, setting) in policy.port_level_settings.iter().enumerate() {
        let place = format!("{place}.portLevelSettings[{index}]");
        let ejects = setting.outlier_detection.is_some();
        check_balancer(setting.load_balancer.as_ref(), &place, ejects, findings);
        check_pool(setting.connection_pool.as_ref(), &place, findings);
        check_outliers(setting.outlier_detection.as_ref(), &place, findings);
        let field = format!("{place}.port.number");
        match setting.port.number {
            0 => findings.error(field, "is missing"),
            port if !seen.insert(port) => {
                findings.error(field, format!("{port} has settings already"));
            }
            _ => {}
        }
    }
}

fn check_balancer(
    balancer: Option<&LoadBalancer>,
    place: &str,
    ejects: bool,
    findings: &mut Findings<'_>,
) {
    let Some(balancer) = balancer else {
        return;
    };
    let place = format!("{place}.loadBalancer");
    if let Some(hash) = &balancer.consistent_hash {
        check_hash(hash, &format!("{place}.consistentHash"), findings);
    }
    locality::check(balancer, &place, ejects, findings);
}

fn check_pool(pool: Option<&ConnectionPool>, place: &str, findings: &mut Findings<'_>) {
    let place = format!("{place}.connectionPool");
    if let Some(tcp) = pool.and_then(|pool| pool.tcp.as_ref()) {
        let times = [
            ("connectTimeout", tcp.connect_timeout),
            ("maxConnectionDuration", tcp.max_connection_duration),
        ];
        for (field, time) in times {
            check_time(format!("{place}.tcp.{field}"), time, findings);
        }
    }
    if let Some(http) = pool.and_then(|pool| pool.http.as_ref())
        && http.use_client_protocol
        && http.h2_upgrade_policy == H2UpgradePolicy::Upgrade
    {
        let field = format!("{place}.http.h2UpgradePolicy");
        findings.error(
            field,
            "UPGRADE cannot be had together with useClientProtocol",
        );
    }
}

fn check_outliers(outliers: Option<&OutlierDetection>, place: &str, findings: &mut Findings<'_>) {
    let Some(outliers) = outliers else {
        return;
    };
    let place = format!("{place}.outlierDetection");
    let times = [
        ("interval", outliers.interval),
        ("baseEjectionTime", outliers.base_ejection_time),
    ];
    for (field, time) in times {
        check_time(format!("{place}.{field}"), time, findings);
    }
    let percents = [
        ("maxEjectionPercent", outliers.max_ejection_percent),
        ("minHealthPercent", outliers.min_health_percent),
    ];
    for (field, percent) in percents.into_iter().filter(|(_, percent)| *percent > 100) {
        findings.error(
            format!("{place}.{field}"),
            format!("{percent} is more than 100"),
        );
    }
    if outliers.consecutive_local_origin_failures.is_some()
        && !outliers.split_external_local_origin_errors
    {
        let field = format!("{place}.consecutiveLocalOriginFailures");
        findings.error(field, "needs splitExternalLocalOriginErrors");
    }
}

/// istio: a time is a millisecond at least.
fn check_time(field: String, time: Option<Duration>, findings: &mut Findings<'_>) {
    if time.is_some_and(|time| time < Duration::from_millis(1)) {
        findings.error(field, "is less than 1ms");
    }
}

fn check_hash(hash: &ConsistentHash, place: &str, findings: &mut Findings<'_>) {
    if hash.keys() != 1 {
        let text =
            "needs one of httpHeaderName, httpCookie, useSourceIp and httpQueryParameterName";
        findings.error(place, text);
    }
    if !hash.http_header_name.is_empty() {
        let name = names::header_name(&hash.http_header_name);
        findings.check(format!("{place}.httpHeaderName"), name);
    }
    if let Some(cookie) = &hash.http_cookie {
        let name = names::header_name(&cookie.name);
        let name = name.map_err(|_| format!("{:?} is not the name of a cookie", cookie.name));
        findings.check(format!("{place}.httpCookie.name"), name);
        let more = cookie
            .attributes
            .iter()
            .flat_map(|one| [&one.name, &one.value]);
        for text in std::iter::once(&cookie.path).chain(more) {
            findings.check(format!("{place}.httpCookie"), in_cookie(text));
        }
    }
    let ring = hash.ring_hash.as_ref().map(|ring| ring.minimum_ring_size);
    let rings = [
        ("ringHash.minimumRingSize", ring.unwrap_or_default()),
        ("minimumRingSize", hash.minimum_ring_size),
    ];
    for (field, size) in rings {
        if size > MOST_POINTS {
            let text = format!("{size} is more than {MOST_POINTS}");
            findings.error(format!("{place}.{field}"), text);
        }
    }
    let slots = hash.maglev.as_ref().map_or(0, |maglev| maglev.table_size);
    if slots != 0 && !(slots <= MOST_SLOTS && is_prime(slots)) {
        let text = format!("{slots} is not a prime number of at most {MOST_SLOTS}");
        findings.error(format!("{place}.maglev.tableSize"), text);
    }
}

/// Whether the text may be part of a `set-cookie` (RFC 6265, 4.1.1: no control character, no semicolon).
fn in_cookie(text: &str) -> Result<(), String> {
    match text.bytes().any(|b| b.is_ascii_control() || b == b';') {
        true => Err(format!("{text:?} has a semicolon or a control character")),
        false => Ok(()),
    }
}

fn is_prime(number: u64) -> bool {
    let divisors = (2..).take_while(|divisor| divisor * divisor <= number);
    number >= 2
        && divisors
            .into_iter()
            .all(|divisor| !number.is_multiple_of(divisor))
}
