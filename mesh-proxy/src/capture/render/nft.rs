//! The form of `nft -f`: tables of our own, so that nobody else's rules are touched.

use std::fmt::Write as _;

use crate::capture::family::Family;
use crate::capture::plan::{ChainName, Match, Owner, Plan, Rule, Rules, Then};

/// The name of our tables.
pub(crate) const TABLE: &str = "mesh_capture";

/// Replaces our tables by those of `plan`; `existing` are the IP versions that have one.
pub(crate) fn nft(plan: &Plan, existing: &[Family]) -> String {
    let is_planned = |family| plan.families.iter().any(|rules| rules.family == family);
    let mut text = String::new();
    for family in existing.iter().filter(|family| !is_planned(**family)) {
        delete(&mut text, *family);
    }
    for rules in &plan.families {
        // Added first, because what is not there cannot be deleted.
        line(
            &mut text,
            format_args!("add table {} {TABLE}", rules.family.nft()),
        );
        delete(&mut text, rules.family);
        table(&mut text, rules);
    }
    text
}

/// Removes the tables of `existing`; nothing when there is none.
pub(crate) fn nft_clean_up(existing: &[Family]) -> Option<String> {
    let mut text = String::new();
    for family in existing {
        delete(&mut text, *family);
    }
    (!text.is_empty()).then_some(text)
}

fn delete(text: &mut String, family: Family) {
    line(text, format_args!("delete table {} {TABLE}", family.nft()));
}

fn table(text: &mut String, rules: &Rules) {
    line(
        text,
        format_args!("table {} {TABLE} {{", rules.family.nft()),
    );
    for chain in &rules.chains {
        line(text, format_args!("\tchain {} {{", chain.name.as_str()));
        if let Some(hook) = hook(chain.name) {
            // The priority of destination NAT, at which iptables' nat table works too.
            line(
                text,
                format_args!("\t\ttype nat hook {hook} priority -100; policy accept;"),
            );
        }
        for rule in &chain.rules {
            line(text, format_args!("\t\t{}", spell(rule, rules.family)));
        }
        text.push_str("\t}\n");
    }
    text.push_str("}\n");
}

fn hook(chain: ChainName) -> Option<&'static str> {
    match chain {
        ChainName::Prerouting => Some("prerouting"),
        ChainName::Output => Some("output"),
        ChainName::Inbound
        | ChainName::Redirect
        | ChainName::InRedirect
        | ChainName::IstioOutput => None,
    }
}

fn spell(rule: &Rule, family: Family) -> String {
    let matches = rule.when.iter().map(|matched| spell_match(matched, family));
    let then = match rule.then {
        Then::Return => "return".to_owned(),
        Then::Jump(to) => format!("jump {}", to.as_str()),
        Then::Redirect(port) => format!("redirect to :{port}"),
    };
    matches.chain([then]).collect::<Vec<_>>().join(" ")
}

fn spell_match(matched: &Match, family: Family) -> String {
    let ip = family.nft();
    match matched {
        Match::Tcp => "meta l4proto tcp".to_owned(),
        Match::ComesBy(interface) => format!("iifname {}", name(interface.as_str())),
        Match::LeavesBy(interface) => format!("oifname {}", name(interface.as_str())),
        Match::From(range) => format!("{ip} saddr {range}"),
        Match::To(range) => format!("{ip} daddr {range}"),
        Match::NotTo(range) => format!("{ip} daddr != {range}"),
        Match::Port(port) => format!("tcp dport {port}"),
        Match::NotPort(port) => format!("tcp dport != {port}"),
        Match::By(Owner::User(id)) => format!("meta skuid {id}"),
        Match::By(Owner::Group(id)) => format!("meta skgid {id}"),
        Match::NotBy(Owner::User(id)) => format!("meta skuid != {id}"),
        Match::NotBy(Owner::Group(id)) => format!("meta skgid != {id}"),
    }
}

/// An interface as nft writes it: its wildcard is a star.
fn name(interface: &str) -> String {
    match interface.strip_suffix('+') {
        Some(beginning) => format!("\"{beginning}*\""),
        None => format!("\"{interface}\""),
    }
}

fn line(text: &mut String, content: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _written = writeln!(text, "{content}");
}
