//! The plan of a capture: every chain and rule, as values, for each IP version.
//!
//! The layout is Istio's: connections that come in pass ISTIO_INBOUND and end at ISTIO_IN_REDIRECT,
//! connections that go out pass ISTIO_OUTPUT and end at ISTIO_REDIRECT. How a rule is written is
//! `render`'s matter.

mod inbound;
pub(crate) mod outbound;

use ipnet::IpNet;

use crate::capture::family::Family;
use crate::capture::options::{Interface, Options, Port};

/// The rules of every IP version that gets any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) families: Vec<Rules>,
}

impl Plan {
    /// What `options` mean for `families`.
    pub(crate) fn of(options: &Options, families: impl Iterator<Item = Family>) -> Self {
        Self {
            families: families.map(|family| Rules::of(options, family)).collect(),
        }
    }

    /// How many rules there are in all.
    pub(crate) fn len(&self) -> usize {
        let chains = self.families.iter().flat_map(|rules| &rules.chains);
        chains.map(|chain| chain.rules.len()).sum()
    }
}

/// The rules of one IP version: each chain once, in the order of [`ChainName::ALL`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rules {
    pub(crate) family: Family,
    pub(crate) chains: Vec<Chain>,
}

impl Rules {
    fn of(options: &Options, family: Family) -> Self {
        let chain = |name| Chain {
            name,
            rules: match name {
                ChainName::Prerouting => inbound::prerouting(options, family),
                ChainName::Inbound => inbound::inbound(options),
                ChainName::InRedirect => vec![redirect(options.inbound_port)],
                ChainName::Redirect => vec![redirect(options.outbound_port)],
                ChainName::Output => outbound::output(options),
                ChainName::IstioOutput => outbound::istio_output(options, family),
            },
        };
        Self {
            family,
            chains: ChainName::ALL.into_iter().map(chain).collect(),
        }
    }
}

/// A chain of the nat table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chain {
    pub(crate) name: ChainName,
    pub(crate) rules: Vec<Rule>,
}

/// The chains that we write to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChainName {
    /// Where the kernel begins with what comes in.
    Prerouting,
    /// Where the kernel begins with what a local process sends.
    Output,
    /// Decides about connections that come in.
    Inbound,
    /// Ends at the proxy's outbound port.
    Redirect,
    /// Ends at the proxy's inbound port.
    InRedirect,
    /// Decides about connections that go out.
    IstioOutput,
}

impl ChainName {
    pub(crate) const ALL: [Self; 6] = [
        Self::Prerouting,
        Self::Output,
        Self::Inbound,
        Self::Redirect,
        Self::InRedirect,
        Self::IstioOutput,
    ];

    /// The name that iptables shows.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Prerouting => "PREROUTING",
            Self::Output => "OUTPUT",
            Self::Inbound => "ISTIO_INBOUND",
            Self::Redirect => "ISTIO_REDIRECT",
            Self::InRedirect => "ISTIO_IN_REDIRECT",
            Self::IstioOutput => "ISTIO_OUTPUT",
        }
    }

    /// Whether it is the kernel's, so that others may have rules in it.
    pub(crate) fn is_builtin(self) -> bool {
        matches!(self, Self::Prerouting | Self::Output)
    }
}

/// A rule: when all of it matches, then this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) when: Vec<Match>,
    pub(crate) then: Then,
}

/// What a rule asks of a connection's first packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Match {
    Tcp,
    ComesBy(Interface),
    LeavesBy(Interface),
    From(IpNet),
    To(IpNet),
    NotTo(IpNet),
    /// Only behind [`Match::Tcp`].
    Port(Port),
    /// Only behind [`Match::Tcp`].
    NotPort(Port),
    By(Owner),
    NotBy(Owner),
}

/// Whose socket it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    User(u32),
    Group(u32),
}

/// What happens to a connection that matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// Back to the chain it came from; from the first chain: not captured.
    Return,
    Jump(ChainName),
    Redirect(Port),
}

fn rule(when: impl IntoIterator<Item = Match>, then: Then) -> Rule {
    Rule {
        when: when.into_iter().collect(),
        then,
    }
}

fn redirect(port: Port) -> Rule {
    rule([Match::Tcp], Then::Redirect(port))
}

/// Whether a network is of this IP version.
fn is_of(range: &IpNet, family: Family) -> bool {
    matches!(
        (range, family),
        (IpNet::V4(_), Family::V4) | (IpNet::V6(_), Family::V6)
    )
}

#[cfg(test)]
mod tests;
