//! Finds out who can apply rules here: iptables in one of its variants, or nft.

use std::fmt;

use crate::capture::family::{Family, Wanted};
use crate::capture::flags::BackendChoice;
use crate::capture::programs::{ProgramError, read};
use crate::capture::state::has_rules;

/// What lists the tables that iptables-legacy has in this namespace. Reading it makes none.
const LEGACY_TABLES: [&str; 2] = ["/proc/net/ip_tables_names", "/proc/net/ip6_tables_names"];

/// Who applies rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backend {
    Iptables(Iptables),
    Nft,
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Iptables(iptables) => iptables.fmt(f),
            Self::Nft => f.write_str("nft"),
        }
    }
}

/// The programs of one variant of iptables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Iptables {
    pub(crate) kind: Kind,
    /// `-nft`, `-legacy`, or nothing where only the plain names are installed.
    suffix: &'static str,
}

/// Which part of the kernel a variant of iptables writes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// nf_tables.
    Nft,
    /// The older tables, which nft does not show.
    Legacy,
}

impl fmt::Display for Iptables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::Nft => "iptables-nft",
            Kind::Legacy => "iptables-legacy",
        })
    }
}

impl Iptables {
    /// The name of a program: `ip6tables-nft-save`.
    pub(crate) fn program(self, family: Family, verb: &str) -> String {
        let version = match family {
            Family::V4 => "iptables",
            Family::V6 => "ip6tables",
        };
        format!("{version}{}-{verb}", self.suffix)
    }

    /// The nat table of an IP version.
    pub(crate) async fn nat(self, family: Family) -> Result<String, ProgramError> {
        let program = self.program(family, "save");
        read(&program, &["-t", "nat"]).await
    }
}

/// Who will apply the rules, and for which IP versions.
#[derive(Debug)]
pub(crate) struct Chosen {
    pub(crate) backend: Backend,
    pub(crate) families: Vec<Family>,
}

/// Each one that was looked at, with why it will not do.
pub(crate) type Tried = Vec<(String, String)>;

/// Chooses who applies the rules.
pub(crate) async fn choose(asked: BackendChoice, wanted: &[Wanted]) -> Result<Chosen, Tried> {
    let mut tried = Tried::new();
    if matches!(asked, BackendChoice::Auto | BackendChoice::Iptables) {
        for iptables in in_order(&mut tried).await {
            match families_of(iptables, wanted).await {
                Ok(families) => {
                    let backend = Backend::Iptables(iptables);
                    return Ok(Chosen { backend, families });
                }
                Err((program, why)) => tried.push((program, why.to_string())),
            }
        }
    }
    if matches!(asked, BackendChoice::Auto | BackendChoice::Nft) {
        match read("nft", &["list", "tables"]).await {
            Ok(_) => {
                let backend = Backend::Nft;
                let families = wanted.iter().map(|wanted| wanted.family).collect();
                return Ok(Chosen { backend, families });
            }
            Err(why) => tried.push(("nft".to_owned(), why.to_string())),
        }
    }
    Err(tried)
}

/// The variants of iptables that are installed, best first.
///
/// istio: the one whose rules are there already, else nf_tables, else the older one.
async fn in_order(tried: &mut Tried) -> Vec<Iptables> {
    let mut found = installed(tried).await;
    let first = if legacy_in_use(&found).await {
        Kind::Legacy
    } else {
        Kind::Nft
    };
    found.sort_by_key(|iptables| iptables.kind != first);
    found
}

/// The variants of iptables that are installed, each kind once.
pub(crate) async fn installed(tried: &mut Tried) -> Vec<Iptables> {
    let mut found: Vec<Iptables> = Vec::new();
    for suffix in ["-nft", "-legacy", ""] {
        let program = format!("iptables{suffix}-save");
        match read(&program, &["--version"]).await {
            Ok(version) => {
                let kind = if version.contains("nf_tables") {
                    Kind::Nft
                } else {
                    Kind::Legacy
                };
                if found.iter().all(|iptables| iptables.kind != kind) {
                    found.push(Iptables { kind, suffix });
                }
            }
            Err(why) => tried.push((program, why.to_string())),
        }
    }
    found
}

/// Whether the older tables exist here. Asking iptables-legacy would make them.
pub(crate) fn has_legacy_tables() -> bool {
    let is_there = |path| {
        let names = std::fs::read_to_string(path).unwrap_or_default();
        names.lines().any(|name| name == "nat")
    };
    LEGACY_TABLES.iter().any(is_there)
}

async fn legacy_in_use(found: &[Iptables]) -> bool {
    let Some(legacy) = found.iter().find(|iptables| iptables.kind == Kind::Legacy) else {
        return false;
    };
    if !has_legacy_tables() {
        return false;
    }
    for family in Family::BOTH {
        if legacy.nat(family).await.is_ok_and(|nat| has_rules(&nat)) {
            return true;
        }
    }
    false
}

/// The IP versions that a variant can do, or what it says of one that it must.
async fn families_of(
    iptables: Iptables,
    wanted: &[Wanted],
) -> Result<Vec<Family>, (String, ProgramError)> {
    let mut families = Vec::new();
    for Wanted { family, required } in wanted {
        match iptables.nat(*family).await {
            Ok(_) => families.push(*family),
            Err(why) if *required => return Err((iptables.program(*family, "save"), why)),
            // The summary says that this IP version is not captured.
            Err(_) => {}
        }
    }
    Ok(families)
}
