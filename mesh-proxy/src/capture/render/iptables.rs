//! The form of `iptables-restore --noflush`, which leaves alone what is not named.

use std::fmt::Write as _;

use crate::capture::family::Family;
use crate::capture::plan::{Chain, Match, Owner, Rule, Rules, Then};
use crate::capture::state::{Existing, MARK};

/// Replaces what `existing` shows of ours by `rules`.
pub(crate) fn iptables(rules: &Rules, existing: &Existing) -> String {
    let program = match rules.family {
        Family::V4 => "iptables-restore",
        Family::V6 => "ip6tables-restore",
    };
    // For who reads a dry run.
    let mut text = format!("# {}: {program} --noflush\n*nat\n", rules.family.name());
    let own = rules.chains.iter().filter(|chain| !chain.name.is_builtin());
    for chain in own {
        // Makes the chain, or empties the one that is there.
        line(&mut text, format_args!(":{} - [0:0]", chain.name.as_str()));
    }
    remove_hooks(&mut text, existing);
    for chain in &rules.chains {
        for rule in &chain.rules {
            line(
                &mut text,
                format_args!("-A {}{}", chain.name.as_str(), spell(chain, rule)),
            );
        }
    }
    text.push_str("COMMIT\n");
    text
}

/// Removes what `existing` shows of ours; nothing when it shows nothing.
pub(crate) fn iptables_clean_up(existing: &Existing) -> Option<String> {
    if existing.is_empty() {
        return None;
    }
    let mut text = String::from("*nat\n");
    remove_hooks(&mut text, existing);
    // Emptied first: a chain that another one still jumps to cannot be removed.
    for verb in ["-F", "-X"] {
        for chain in &existing.chains {
            line(&mut text, format_args!("{verb} {chain}"));
        }
    }
    text.push_str("COMMIT\n");
    Some(text)
}

fn remove_hooks(text: &mut String, existing: &Existing) {
    for hook in &existing.hooks {
        line(text, format_args!("-D {hook}"));
    }
}

fn spell(chain: &Chain, rule: &Rule) -> String {
    let mut text = String::new();
    for matched in &rule.when {
        text.push(' ');
        text.push_str(&spell_match(matched));
    }
    // A jump to a chain of ours is known again by its target, every other rule by this.
    if chain.name.is_builtin() && rule.then == Then::Return {
        text.push_str(" -m comment --comment ");
        text.push_str(MARK);
    }
    text.push_str(&match rule.then {
        Then::Return => " -j RETURN".to_owned(),
        Then::Jump(to) => format!(" -j {}", to.as_str()),
        Then::Redirect(port) => format!(" -j REDIRECT --to-ports {port}"),
    });
    text
}

fn spell_match(matched: &Match) -> String {
    match matched {
        Match::Tcp => "-p tcp".to_owned(),
        Match::ComesBy(interface) => format!("-i {}", interface.as_str()),
        Match::LeavesBy(interface) => format!("-o {}", interface.as_str()),
        Match::From(range) => format!("-s {range}"),
        Match::To(range) => format!("-d {range}"),
        Match::NotTo(range) => format!("! -d {range}"),
        Match::Port(port) => format!("--dport {port}"),
        Match::NotPort(port) => format!("! --dport {port}"),
        Match::By(Owner::User(id)) => format!("-m owner --uid-owner {id}"),
        Match::By(Owner::Group(id)) => format!("-m owner --gid-owner {id}"),
        Match::NotBy(Owner::User(id)) => format!("-m owner ! --uid-owner {id}"),
        Match::NotBy(Owner::Group(id)) => format!("-m owner ! --gid-owner {id}"),
    }
}

fn line(text: &mut String, content: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _written = writeln!(text, "{content}");
}
