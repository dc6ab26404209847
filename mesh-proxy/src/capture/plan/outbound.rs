//! What happens to connections that local processes open.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::capture::family::Family;
use crate::capture::options::{Interface, Options, Port, Ranges};
use crate::capture::plan::{ChainName, Match, Owner, Rule, Then, is_of, rule};

/// The address from which the proxy connects to its application.
///
/// istio: the bind address of inbound clusters (InboundPassthroughBindIpv4).
const INBOUND_SOURCE_V4: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 6);
/// The same for IPv6, where the loopback interface must be given the address first.
pub(crate) const INBOUND_SOURCE_V6: Ipv6Addr = Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, 6);

/// Our rules at the kernel's entry for what local processes send.
pub(super) fn output(options: &Options) -> Vec<Rule> {
    let excluded = options.interfaces_excluded.iter();
    let mut rules: Vec<_> = excluded
        .map(|interface| rule([Match::LeavesBy(interface.clone())], Then::Return))
        .collect();
    rules.push(rule([], Then::Jump(ChainName::IstioOutput)));
    rules
}

/// Which of it is captured; the order is the meaning.
pub(super) fn istio_output(options: &Options, family: Family) -> Vec<Rule> {
    let to_port = |port: &Port, then| rule([Match::Tcp, Match::Port(*port)], then);
    let excluded_ports = options.outbound_ports_excluded.iter();
    // Before calls to oneself are captured, so that an excluded port is one there too.
    let mut rules: Vec<_> = excluded_ports
        .map(|port| to_port(port, Then::Return))
        .collect();
    // The proxy hands over to its application: never back to the proxy.
    rules.push(rule(
        [by_loopback(), Match::From(inbound_source(family))],
        Then::Return,
    ));
    for owner in owners(options) {
        rules.extend(of_the_proxy(options, family, owner));
    }
    // Processes that talk to each other by localhost.
    rules.push(rule([Match::To(localhost(family))], Then::Return));
    let excluded = options.outbound_excluded.iter();
    rules.extend(
        excluded
            .filter(|range| is_of(range, family))
            .map(|range| rule([Match::To(*range)], Then::Return)),
    );
    let capture = Then::Jump(ChainName::Redirect);
    let ports = options.outbound_ports.iter();
    rules.extend(ports.map(|port| to_port(port, capture)));
    match &options.outbound {
        Ranges::All => rules.push(rule([], capture)),
        Ranges::Only(ranges) => {
            let ranges = ranges.iter().filter(|range| is_of(range, family));
            rules.extend(ranges.map(|range| rule([Match::To(*range)], capture)));
        }
    }
    rules
}

/// The rules that keep the proxy from meeting itself, for one of its users or groups.
fn of_the_proxy(options: &Options, family: Family, owner: Owner) -> Vec<Rule> {
    let mut rules = vec![
        // The proxy connects to its own pod, as a call to the own service comes out: into the
        // inbound side, whose policy applies.
        rule(
            [
                by_loopback(),
                Match::NotTo(localhost(family)),
                Match::Tcp,
                Match::NotPort(options.tunnel_port),
                Match::By(owner),
            ],
            Then::Jump(ChainName::InRedirect),
        ),
    ];
    // Who addresses the own pod directly wants it so, unless loopback was asked for.
    // istio: a loopback range of either IP version lifts the rule of both (capture/run.go).
    if !names_loopback(&options.outbound) {
        let others = [by_loopback(), Match::NotBy(owner)];
        rules.push(rule(others, Then::Return));
    }
    // Of whatever protocol: the proxy's own connections are never redirected to itself.
    rules.push(rule([Match::By(owner)], Then::Return));
    rules
}

fn owners(options: &Options) -> impl Iterator<Item = Owner> {
    let users = options.users.iter().copied().map(Owner::User);
    users.chain(options.groups.iter().copied().map(Owner::Group))
}

fn by_loopback() -> Match {
    Match::LeavesBy(Interface::loopback())
}

fn names_loopback(ranges: &Ranges) -> bool {
    match ranges {
        Ranges::All => false,
        Ranges::Only(ranges) => ranges.iter().any(|range| range.addr().is_loopback()),
    }
}

fn localhost(family: Family) -> IpNet {
    match family {
        Family::V4 => IpNet::from(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        Family::V6 => IpNet::from(IpAddr::V6(Ipv6Addr::LOCALHOST)),
    }
}

fn inbound_source(family: Family) -> IpNet {
    match family {
        Family::V4 => IpNet::from(IpAddr::V4(INBOUND_SOURCE_V4)),
        Family::V6 => IpNet::from(IpAddr::V6(INBOUND_SOURCE_V6)),
    }
}
