//! What an earlier run left, read off what the programs print.

use crate::capture::family::Family;
use crate::capture::plan::ChainName;
use crate::capture::render::TABLE;

/// The comment on our rules in chains of the kernel that are not known by their target.
pub(crate) const MARK: &str = "mesh-capture";

/// What is ours in the nat table of one IP version.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Existing {
    /// Our rules in chains of the kernel, without the verb: `OUTPUT -j ISTIO_OUTPUT`.
    pub(crate) hooks: Vec<String>,
    /// Our own chains.
    pub(crate) chains: Vec<String>,
}

impl Existing {
    /// Reads what `iptables-save -t nat` printed.
    pub(crate) fn read(saved: &str) -> Self {
        let mut existing = Self::default();
        for line in saved.lines() {
            if let Some(chain) = declared(line) {
                if own_chains().any(|own| own == chain) {
                    existing.chains.push(chain.to_owned());
                }
            } else if let Some(rule) = line.strip_prefix("-A ")
                && is_our_hook(rule)
            {
                existing.hooks.push(rule.to_owned());
            }
        }
        existing
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.hooks.is_empty() && self.chains.is_empty()
    }
}

/// Whether a saved table holds any rule, whoever made it.
pub(crate) fn has_rules(saved: &str) -> bool {
    saved.lines().any(|line| line.starts_with("-A "))
}

/// The IP versions that have a table of ours, by what `nft list tables` printed.
pub(crate) fn our_tables(listed: &str) -> Vec<Family> {
    let has = |family: &Family| {
        let ours = format!("table {} {TABLE}", family.nft());
        listed.lines().any(|line| line.trim() == ours)
    };
    Family::BOTH.into_iter().filter(has).collect()
}

/// The chain of a line such as `:ISTIO_OUTPUT - [0:0]`.
fn declared(line: &str) -> Option<&str> {
    line.strip_prefix(':')?.split(' ').next()
}

fn is_our_hook(rule: &str) -> bool {
    let mut words = rule.split(' ');
    let builtin = words.next().is_some_and(|chain| {
        let builtins = ChainName::ALL.into_iter().filter(|name| name.is_builtin());
        builtins.map(ChainName::as_str).any(|name| name == chain)
    });
    let rest: Vec<_> = words.collect();
    let marked = rest
        .windows(2)
        .any(|pair| matches!(pair, ["--comment", MARK]));
    let jumps = rest
        .windows(2)
        .any(|pair| matches!(pair, ["-j", to] if own_chains().any(|own| own == *to)));
    builtin && (marked || jumps)
}

fn own_chains() -> impl Iterator<Item = &'static str> {
    let own = ChainName::ALL.into_iter().filter(|name| !name.is_builtin());
    own.map(ChainName::as_str)
}

#[cfg(test)]
mod tests;
