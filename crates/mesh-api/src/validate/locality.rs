//! The rules of `localityLbSetting` and `warmup` (Istio: ValidateLocalityLbSetting, validateLoadBalancer).

use std::collections::BTreeSet;
use std::time::Duration;

use mesh_model::diag::Diagnostic;
use mesh_model::name::ResourceKey;
use serde_json::Value;

use super::Findings;
use crate::codes;
use crate::networking::destination_rule::{LoadBalancer, SimpleLoadBalancer};
use crate::networking::locality::{Distribute, Failover, LOCALITY_LB, LocalityLb, Warmup};
use crate::schema;

/// Labels of localities, which go by regions themselves.
const TOPOLOGY: [&str; 3] = [
    "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone",
    "topology.istio.io/subzone",
];

/// Reads what the mesh's configuration says of localities, where endpoints that fail may be ejected.
///
/// # Errors
/// What is wrong with it.
pub fn of_mesh(written: &Value, key: &ResourceKey) -> Result<LocalityLb, Vec<Diagnostic>> {
    const FIELD: &str = "localityLbSetting";
    let mut found = Vec::new();
    let canonical = schema::canonical(&LOCALITY_LB, FIELD, written, key, &mut found);
    if !found.is_empty() {
        return Err(found);
    }
    let read: Result<LocalityLb, _> = serde_json::from_value(canonical);
    let read = read.map_err(|why| {
        let text = why.to_string();
        vec![Diagnostic::error(codes::SCHEMA, key, FIELD, text)]
    })?;
    let findings = &mut Findings {
        key,
        found: &mut found,
    };
    check_setting(&read, FIELD, true, findings);
    match found.is_empty() {
        true => Ok(read),
        false => Err(found),
    }
}

/// Checks what a block says of localities and of endpoints that are new.
pub(super) fn check(
    balancer: &LoadBalancer,
    place: &str,
    ejects: bool,
    findings: &mut Findings<'_>,
) {
    if let Some(setting) = &balancer.locality_lb_setting {
        let place = format!("{place}.localityLbSetting");
        check_setting(setting, &place, ejects, findings);
    }
    if let Some(warmup) = &balancer.warmup {
        check_warmup(warmup, &format!("{place}.warmup"), findings);
    }
    let older = format!("{place}.warmupDurationSecs");
    if let Some(time) = balancer.warmup_duration_secs {
        check_time(older.clone(), time, findings);
        let text = match balancer.warmup {
            Some(_) => "is not heeded beside warmup",
            None => "is the old way to say it",
        };
        findings.warning(codes::SCHEMA, older, text, "write warmup: {duration: ...}");
    }
    let warms = balancer.warmup.is_some() || balancer.warmup_duration_secs.is_some();
    let cannot =
        balancer.consistent_hash.is_some() || matches!(balancer.simple, SimpleLoadBalancer::Random);
    if warms && cannot {
        let text = "is not heeded: only ROUND_ROBIN and LEAST_REQUEST warm endpoints up";
        findings.warning(codes::SCHEMA, format!("{place}.warmup"), text, "");
    }
}

fn check_warmup(warmup: &Warmup, place: &str, findings: &mut Findings<'_>) {
    let field = format!("{place}.duration");
    match warmup.duration {
        None => findings.error(field, "is missing"),
        Some(time) => check_time(field, time, findings),
    }
}

fn check_time(field: String, time: Duration, findings: &mut Findings<'_>) {
    if time < Duration::from_millis(1) {
        findings.error(field, "is less than 1ms");
    }
}

fn check_setting(setting: &LocalityLb, place: &str, ejects: bool, findings: &mut Findings<'_>) {
    if !setting.distribute.is_empty() && !setting.failover.is_empty() {
        let text = "distribute and failover cannot be had together";
        findings.error(place, text);
        return;
    }
    for (index, one) in setting.distribute.iter().enumerate() {
        check_distribute(one, &format!("{place}.distribute[{index}]"), findings);
    }
    let from = setting.distribute.iter().map(|one| one.from.as_str());
    check_overlap(from, &format!("{place}.distribute"), findings);
    for (index, one) in setting.failover.iter().enumerate() {
        check_failover(one, &format!("{place}.failover[{index}]"), findings);
    }
    check_priority(setting, place, ejects, findings);
}

fn check_priority(setting: &LocalityLb, place: &str, ejects: bool, findings: &mut Findings<'_>) {
    let labels = setting.failover_priority.iter().enumerate();
    for (index, label) in labels.filter(|_| !setting.failover.is_empty()) {
        if TOPOLOGY.contains(&label.as_str()) {
            let field = format!("{place}.failoverPriority[{index}]");
            findings.error(
                field,
                format!("{label} cannot be had together with failover"),
            );
        }
    }
    let fails_over = !setting.failover.is_empty() || !setting.failover_priority.is_empty();
    if !setting.failover_priority.is_empty() && !setting.distribute.is_empty() {
        let field = format!("{place}.failoverPriority");
        findings.warning(codes::SCHEMA, field, "is not heeded beside distribute", "");
    } else if fails_over && !ejects {
        let text = "is not heeded without outlierDetection: nobody would know who has failed";
        let hint = "add outlierDetection: {} to the same block";
        findings.warning(codes::SCHEMA, place, text, hint);
    }
}

fn check_distribute(one: &Distribute, place: &str, findings: &mut Findings<'_>) {
    for (to, weight) in &one.to {
        if !(1..=100).contains(weight) {
            let field = format!("{place}.to[{to:?}]");
            findings.error(field, format!("{weight} is not between 1 and 100"));
        }
    }
    let sum: u64 = one.to.values().map(|weight| u64::from(*weight)).sum();
    if sum != 100 {
        let text = format!("the shares sum up to {sum}, not 100");
        findings.error(format!("{place}.to"), text);
    }
    let to = one.to.keys().map(String::as_str);
    check_overlap(to, &format!("{place}.to"), findings);
}

fn check_failover(one: &Failover, place: &str, findings: &mut Findings<'_>) {
    for (field, region) in [("from", &one.from), ("to", &one.to)] {
        let field = format!("{place}.{field}");
        if region.is_empty() {
            findings.error(field, "is missing");
        } else if region.contains(['/', '*']) {
            findings.error(field, format!("{region:?} is not the name of one region"));
        }
    }
    if one.from == one.to && !one.from.is_empty() {
        findings.error(place, "goes from a region to itself");
    }
}

/// Each locality must be well-formed and cover none of the others.
fn check_overlap<'a>(
    localities: impl Iterator<Item = &'a str>,
    place: &str,
    findings: &mut Findings<'_>,
) {
    let mut seen: BTreeSet<Vec<&str>> = BTreeSet::new();
    for locality in localities {
        let mut parts: Vec<&str> = locality.splitn(3, '/').collect();
        let stars = locality.matches('*').count();
        if parts.contains(&"") {
            let text = format!("{locality:?} has an empty region, zone or sub-zone");
            findings.error(place, text);
            continue;
        }
        if stars > 1 || (stars == 1 && !locality.ends_with('*')) {
            let text = format!("{locality:?} may have one *, at its end");
            findings.error(place, text);
            continue;
        }
        if parts.last() == Some(&"*") {
            parts.pop();
        }
        let covers = |other: &&Vec<&str>| {
            let mut both = parts.iter().zip(other.iter());
            both.all(|(one, other)| one == other)
        };
        if seen.iter().any(|other| covers(&other)) {
            findings.error(place, format!("{locality:?} overlaps with another one"));
        }
        seen.insert(parts);
    }
}
