use clap::Parser;

use super::{Chain, ChainName, Match, Owner, Plan, Rule, Rules, Then};
use crate::capture::family::Family;
use crate::capture::flags::CaptureFlags;
use crate::capture::options::Options;

fn mk_plan(flags: &[&str]) -> Plan {
    let words = ["capture"].iter().chain(flags);
    let flags = CaptureFlags::try_parse_from(words).unwrap();
    Plan::of(
        &Options::try_from(&flags).unwrap(),
        Family::BOTH.into_iter(),
    )
}

fn chain(rules: &Rules, name: ChainName) -> &Chain {
    rules
        .chains
        .iter()
        .find(|chain| chain.name == name)
        .unwrap()
}

/// Where the first rule stands of which this holds.
#[track_caller]
fn position(rules: &[Rule], wanted: impl Fn(&Rule) -> bool) -> usize {
    rules.iter().position(wanted).unwrap()
}

const EVERYTHING: &[&str] = &[
    "-i",
    "*",
    "-b",
    "*",
    "-x",
    "10.0.0.0/8,fd00::/8",
    "-d",
    "22",
    "-q",
    "3306",
    "-o",
    "25",
    "-c",
    "eth1",
    "-k",
    "vm0",
    "-u",
    "1337,2000",
    "-g",
    "3000",
];

#[test]
fn every_plan_has_every_chain_once_for_each_ip_version() {
    for flags in [&[][..], EVERYTHING] {
        let plan = mk_plan(flags);
        let families: Vec<_> = plan.families.iter().map(|rules| rules.family).collect();
        assert_eq!(families, Family::BOTH);
        for rules in &plan.families {
            let names: Vec<_> = rules.chains.iter().map(|chain| chain.name).collect();
            assert_eq!(names, ChainName::ALL);
        }
    }
}

#[test]
fn both_ip_versions_get_the_same_rules_but_for_addresses() {
    let plan = mk_plan(EVERYTHING);
    let shape = |rules: &Rules| -> Vec<(ChainName, usize, Then)> {
        let of = |chain: &Chain| {
            let name = chain.name;
            let each = chain.rules.iter();
            each.map(move |rule| (name, rule.when.len(), rule.then))
                .collect::<Vec<_>>()
        };
        rules.chains.iter().flat_map(of).collect()
    };
    assert_eq!(shape(&plan.families[0]), shape(&plan.families[1]));
}

#[test]
fn an_address_stands_in_the_rules_of_its_own_ip_version_alone() {
    let flags = [
        "-i",
        "10.0.0.0/8,fd00::/8",
        "-x",
        "10.1.0.0/16,fd01::/16",
        "-k",
        "vm0",
    ];
    for rules in mk_plan(&flags).families {
        let all = rules.chains.iter().flat_map(|chain| &chain.rules);
        for matched in all.flat_map(|rule| &rule.when) {
            if let Match::From(range) | Match::To(range) | Match::NotTo(range) = matched {
                assert_eq!(
                    range.addr().is_ipv4(),
                    rules.family == Family::V4,
                    "{range}"
                );
            }
        }
    }
}

/// Nothing that the proxy opens can come back to it as outbound: each of its users and groups has
/// a rule that returns whatever it sends, before the first one that captures.
#[test]
fn the_proxys_own_connections_return_before_anything_is_captured() {
    for flags in [&["-i", "*"][..], &["-i", "127.0.0.0/8,::1/128"], EVERYTHING] {
        let options = mk_plan(flags);
        for rules in &options.families {
            let output = &chain(rules, ChainName::IstioOutput).rules;
            let captures = position(output, |rule| rule.then == Then::Jump(ChainName::Redirect));
            let mine = output
                .iter()
                .take(captures)
                .filter(|rule| rule.then == Then::Return);
            let owners: Vec<_> = mine
                .filter_map(|rule| match rule.when.as_slice() {
                    [Match::By(owner)] => Some(*owner),
                    _ => None,
                })
                .collect();
            let expected = if flags == EVERYTHING {
                vec![Owner::User(1337), Owner::User(2000), Owner::Group(3000)]
            } else {
                vec![Owner::User(1337), Owner::Group(1337)]
            };
            assert_eq!(owners, expected);
        }
    }
}

/// What the proxy hands over to its application returns before the rule that sends the proxy's
/// calls of its own pod to the inbound side.
#[test]
fn what_is_handed_over_returns_before_calls_to_oneself_are_captured() {
    for rules in mk_plan(EVERYTHING).families {
        let output = &chain(&rules, ChainName::IstioOutput).rules;
        let handed_over = position(output, |rule| {
            rule.then == Then::Return && rule.when.iter().any(|m| matches!(m, Match::From(_)))
        });
        let to_inbound = position(output, |rule| {
            rule.then == Then::Jump(ChainName::InRedirect)
        });
        assert!(handed_over < to_inbound);
    }
}

#[test]
fn what_is_excluded_returns_before_what_is_captured() {
    for rules in mk_plan(EVERYTHING).families {
        let output = &chain(&rules, ChainName::IstioOutput).rules;
        let captured = position(output, |rule| rule.then == Then::Jump(ChainName::Redirect));
        let last_return = output.iter().rposition(|rule| rule.then == Then::Return);
        assert!(last_return.unwrap() < captured);
        let inbound = &chain(&rules, ChainName::Inbound).rules;
        let captured = position(inbound, |rule| {
            rule.then == Then::Jump(ChainName::InRedirect)
        });
        let last_return = inbound.iter().rposition(|rule| rule.then == Then::Return);
        assert!(last_return.unwrap() < captured);
    }
}

#[test]
fn redirects_lead_to_the_two_ports_of_the_proxy_and_take_tcp_alone() {
    for rules in mk_plan(&["-p", "7001", "-z", "7006", "-i", "*", "-b", "*"]).families {
        let all = rules.chains.iter().flat_map(|chain| &chain.rules);
        let redirects: Vec<_> = all
            .filter_map(|rule| match rule.then {
                Then::Redirect(port) => Some((rule.when.clone(), port.to_string())),
                Then::Return | Then::Jump(_) => None,
            })
            .collect();
        let to = |port: &str| (vec![Match::Tcp], port.to_owned());
        assert_eq!(redirects, [to("7001"), to("7006")]);
    }
}

#[test]
fn a_port_is_asked_of_tcp_alone() {
    for rules in mk_plan(EVERYTHING).families {
        for rule in rules.chains.iter().flat_map(|chain| &chain.rules) {
            let port = rule
                .when
                .iter()
                .position(|m| matches!(m, Match::Port(_) | Match::NotPort(_)));
            let tcp = rule.when.iter().position(|m| *m == Match::Tcp);
            assert!(port.is_none() || tcp < port, "{rule:?}");
        }
    }
}

#[test]
fn without_inbound_ports_nothing_that_comes_in_is_looked_at() {
    for flags in [&[][..], &["-b", "", "-d", "22"]] {
        for rules in mk_plan(flags).families {
            assert_eq!(chain(&rules, ChainName::Prerouting).rules, []);
        }
    }
}
