//! The rules of a DestinationRule (Istio: ValidateDestinationRule), for the fields supported so far.

use std::collections::BTreeSet;

use mesh_model::diag::Diagnostic;
use mesh_model::name::{Hostname, ResourceKey};

use super::{Findings, export, names};
use crate::networking::destination_rule::{DestinationRule, Subset, TrafficPolicy};

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
        && policy.tls.is_none()
        && policy.port_level_settings.is_empty();
    if empty {
        findings.error(place, "is empty");
    }
    let mut seen = BTreeSet::new();
    for (index, setting) in policy.port_level_settings.iter().enumerate() {
        let field = format!("{place}.portLevelSettings[{index}].port.number");
        match setting.port.number {
            0 => findings.error(field, "is missing"),
            port if !seen.insert(port) => {
                findings.error(field, format!("{port} has settings already"));
            }
            _ => {}
        }
    }
}
