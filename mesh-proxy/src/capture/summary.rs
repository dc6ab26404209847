//! What was done, for the log of the init container.

use std::fmt::Display;

use crate::capture::family::{Family, Ipv6};
use crate::capture::options::{Interface, Options, Ports, Ranges};
use crate::capture::plan::Plan;

/// What a run says when the rules are in place.
pub(crate) fn applied(options: &Options, plan: &Plan, by: &str, ipv6: Ipv6) -> String {
    let families: Vec<_> = plan.families.iter().map(|rules| rules.family).collect();
    let names: Vec<_> = families.iter().map(|family| family.name()).collect();
    let mut lines = vec![
        format!("capture is in place for {} by {by}", names.join(" and ")),
        format!("  outbound: {}", outbound(options)),
        format!("  inbound: {}", inbound(options)),
        format!(
            "  the proxy: {}; its own connections are not captured",
            proxy(options)
        ),
    ];
    for (interfaces, what) in [
        (&options.interfaces_excluded, "nothing is captured on"),
        (&options.rerouted, "what comes in counts as outbound on"),
    ] {
        if !interfaces.is_empty() {
            let names = interfaces.iter().map(Interface::as_str);
            lines.push(format!("  {what} {}", joined(names)));
        }
    }
    lines.push(format!("  {} rules", plan.len()));
    lines.extend(warnings(options, &families, ipv6));
    lines.join("\n") + "\n"
}

/// What `--clean-up` says: where rules were removed.
pub(crate) fn cleaned_up(removed: &[String]) -> String {
    if removed.is_empty() {
        return "there was nothing to clean up\n".to_owned();
    }
    format!("the rules are removed from {}\n", removed.join(", "))
}

/// What `--clean-up --dry-run` says.
pub(crate) fn clean_up_plan() -> String {
    "would remove the chains ISTIO_* and the rules that lead to them from the nat tables of \
     iptables and ip6tables, the tables mesh_capture of nft, and the address ::6 of lo\n"
        .to_owned()
}

fn outbound(options: &Options) -> String {
    let ranges = match &options.outbound {
        Ranges::All => Some("everything".to_owned()),
        Ranges::Only(ranges) => some(joined(ranges.iter())),
    };
    let ports = some(joined(options.outbound_ports.iter())).map(|ports| format!("ports {ports}"));
    let captured: Vec<_> = ranges.into_iter().chain(ports).collect();
    if captured.is_empty() {
        return "nothing".to_owned();
    }
    let excluded_ranges = some(joined(options.outbound_excluded.iter()));
    let excluded_ports = some(joined(options.outbound_ports_excluded.iter()));
    let excluded = excluded_ranges
        .into_iter()
        .chain(excluded_ports.map(|ports| format!("ports {ports}")));
    let to = format!(
        "{} to port {}",
        captured.join(" and "),
        options.outbound_port
    );
    but(to, excluded.collect())
}

fn inbound(options: &Options) -> String {
    let ports = match &options.inbound {
        Ports::All => "every port".to_owned(),
        Ports::Only(ports) if ports.is_empty() => return "nothing".to_owned(),
        Ports::Only(ports) => format!("ports {}", joined(ports.iter())),
    };
    let excluded = options
        .inbound_excluded
        .iter()
        .chain([&options.tunnel_port]);
    let to = format!("{ports} to port {}", options.inbound_port);
    but(to, vec![joined(excluded)])
}

fn proxy(options: &Options) -> String {
    let users = some(joined(options.users.iter())).map(|ids| format!("user {ids}"));
    let groups = some(joined(options.groups.iter())).map(|ids| format!("group {ids}"));
    users
        .into_iter()
        .chain(groups)
        .collect::<Vec<_>>()
        .join(", ")
}

/// What a reader of the log should know of this namespace.
fn warnings(options: &Options, families: &[Family], ipv6: Ipv6) -> Vec<String> {
    let mut warnings = Vec::new();
    if options.users.contains(&0) {
        warnings
            .push("warning: -u 0: what processes of root connect to is not captured".to_owned());
    }
    if !families.contains(&Family::V6) && ipv6 != Ipv6::Absent {
        warnings.push(
            "warning: this namespace has IPv6, and connections over it are not captured".to_owned(),
        );
    }
    if !families.contains(&Family::V4) {
        warnings.push("warning: connections over IPv4 are not captured".to_owned());
    }
    warnings
}

fn but(captured: String, excluded: Vec<String>) -> String {
    if excluded.is_empty() {
        return captured;
    }
    format!("{captured}, but not {}", excluded.join(" and "))
}

fn joined(items: impl Iterator<Item = impl Display>) -> String {
    let items: Vec<_> = items.map(|item| item.to_string()).collect();
    items.join(", ")
}

fn some(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests;
