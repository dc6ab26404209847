//! What happens to connections that come in.

use crate::capture::family::Family;
use crate::capture::options::{Options, Port, Ports, Ranges};
use crate::capture::plan::{ChainName, Match, Rule, Then, is_of, rule};

/// Our rules at the kernel's entry for what comes in.
pub(super) fn prerouting(options: &Options, family: Family) -> Vec<Rule> {
    // Before everything else: a virtual machine behind the interface is a client of the mesh.
    let mut rules = rerouted(options, family);
    for interface in &options.interfaces_excluded {
        rules.push(rule([Match::ComesBy(interface.clone())], Then::Return));
    }
    if captures(&options.inbound) {
        rules.push(rule([Match::Tcp], Then::Jump(ChainName::Inbound)));
    }
    rules
}

/// Which of what comes in is captured.
pub(super) fn inbound(options: &Options) -> Vec<Rule> {
    let to = |port: Port, then| rule([Match::Tcp, Match::Port(port)], then);
    let mut rules = vec![to(options.tunnel_port, Then::Return)];
    if captures(&options.inbound) {
        // Before the ports that are captured, of which an excluded one may be part.
        let excluded = options.inbound_excluded.iter();
        rules.extend(excluded.map(|port| to(*port, Then::Return)));
    }
    let capture = Then::Jump(ChainName::InRedirect);
    match &options.inbound {
        Ports::All => rules.push(rule([Match::Tcp], capture)),
        Ports::Only(ports) => rules.extend(ports.iter().map(|port| to(*port, capture))),
    }
    rules
}

/// What a virtual machine sends is redirected as if a process of the pod had sent it; the rest of
/// what comes in by its interface is left alone.
fn rerouted(options: &Options, family: Family) -> Vec<Rule> {
    let mut rules = Vec::new();
    for interface in &options.rerouted {
        let by = Match::ComesBy(interface.clone());
        let capture = Then::Jump(ChainName::Redirect);
        match &options.outbound {
            Ranges::All => rules.push(rule([by.clone()], capture)),
            Ranges::Only(ranges) => {
                let ranges = ranges.iter().filter(|range| is_of(range, family));
                rules.extend(ranges.map(|range| rule([by.clone(), Match::To(*range)], capture)));
            }
        }
        rules.push(rule([by], Then::Return));
    }
    rules
}

fn captures(ports: &Ports) -> bool {
    match ports {
        Ports::All => true,
        Ports::Only(ports) => !ports.is_empty(),
    }
}
