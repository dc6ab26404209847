//! Applies a plan, or removes one: reads what is there, renders, and runs the programs.

use thiserror::Error;

use crate::capture::backend::{self, Backend, Iptables, Kind};
use crate::capture::family::{self, Family, Ipv6};
use crate::capture::flags::{BackendChoice, CaptureFlags};
use crate::capture::loopback;
use crate::capture::options::Options;
use crate::capture::plan::Plan;
use crate::capture::programs::{ProgramError, feed, read};
use crate::capture::render;
use crate::capture::state::{Existing, our_tables};
use crate::capture::summary;

/// Where the kernel lists the IPv6 addresses of this namespace.
const IPV6_ADDRESSES: &str = "/proc/net/if_inet6";
/// How iptables-restore is run: it leaves other rules alone, and waits for the lock for 5 s.
const RESTORE: [&str; 3] = ["--noflush", "-w", "5"];

/// Why the rules are not as they should be.
#[derive(Debug, Error)]
pub(crate) enum CaptureError {
    #[error("nothing here can apply the rules: {}", list(.0))]
    NoBackend(backend::Tried),
    #[error("{program}: {error}")]
    Program {
        program: String,
        error: ProgramError,
    },
    #[error("the address ::6 of lo cannot be changed: {0}")]
    Loopback(std::io::Error),
}

impl CaptureError {
    /// The way out.
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            Self::NoBackend(tried) if tried.iter().all(|(_, why)| is_absent(why)) => {
                "install iptables or nftables in the image of the init container, where PATH finds it"
            }
            // What the kernel says of an owner that is nobody.
            Self::Program {
                error: ProgramError::Refused(said),
                ..
            } if said.contains("Invalid argument") => {
                "-u and -g must be numbers that /proc/self/uid_map and gid_map of this user namespace hold; \
                 --backend nft takes others too"
            }
            Self::NoBackend(_) | Self::Program { .. } => {
                "it must run as root with the capability NET_ADMIN (for iptables-legacy with NET_RAW too), \
                 on a kernel with NAT for that IP version; --ip-version 4 leaves IPv6 out, --dry-run needs nothing"
            }
            Self::Loopback(_) => {
                "it must run as root with the capability NET_ADMIN; --ip-version 4 leaves IPv6 out"
            }
        }
    }
}

/// What this namespace has of IPv6.
pub(crate) fn ipv6_here() -> Ipv6 {
    // The file is not there when the kernel has no IPv6.
    let addresses = std::fs::read_to_string(IPV6_ADDRESSES).unwrap_or_default();
    Ipv6::read(&addresses)
}

/// Puts the rules in place and says what it did.
pub(crate) async fn apply(
    flags: &CaptureFlags,
    options: &Options,
    ipv6: Ipv6,
) -> Result<String, CaptureError> {
    let wanted = family::wanted(flags.ip_version, ipv6);
    let chosen = backend::choose(flags.backend, &wanted).await;
    let chosen = chosen.map_err(CaptureError::NoBackend)?;
    let plan = Plan::of(options, chosen.families.iter().copied());
    let has_ipv6 = chosen.families.contains(&Family::V6);
    if has_ipv6 {
        loopback::add_inbound_source().map_err(CaptureError::Loopback)?;
    }
    match chosen.backend {
        Backend::Iptables(iptables) => with_iptables(iptables, &plan).await?,
        Backend::Nft => with_nft(&plan).await?,
    }
    // Afterwards, so that there is no moment without rules.
    remove_from_others(chosen.backend).await?;
    if !has_ipv6 && ipv6 != Ipv6::Absent {
        loopback::remove_inbound_source().map_err(CaptureError::Loopback)?;
    }
    let by = chosen.backend.to_string();
    Ok(summary::applied(options, &plan, &by, ipv6))
}

/// Removes every rule of ours, whoever applied it, and says where there were any.
pub(crate) async fn clean_up(asked: BackendChoice) -> Result<String, CaptureError> {
    let mut sweep = Sweep::default();
    if asked != BackendChoice::Nft {
        for iptables in backend::installed(&mut sweep.tried).await {
            for family in Family::BOTH {
                let found = remove_from_iptables(iptables, family).await?;
                let place = format!("{iptables} ({})", family.name());
                sweep.note(&iptables.program(family, "save"), place, found);
            }
        }
    }
    if asked != BackendChoice::Iptables {
        let found = remove_from_nft().await?;
        sweep.note("nft", "nft".to_owned(), found);
    }
    if !sweep.looked {
        return Err(CaptureError::NoBackend(sweep.tried));
    }
    if loopback::remove_inbound_source().map_err(CaptureError::Loopback)? {
        sweep.removed.push("lo (::6)".to_owned());
    }
    Ok(summary::cleaned_up(&sweep.removed))
}

/// What a clean-up has come across.
#[derive(Default)]
struct Sweep {
    /// Where there were rules of ours.
    removed: Vec<String>,
    /// Who could not look.
    tried: backend::Tried,
    /// Whether anybody could.
    looked: bool,
}

impl Sweep {
    fn note(&mut self, program: &str, place: String, found: Found) {
        match found {
            Found::Rules => self.removed.push(place),
            Found::Nothing => {}
            Found::NoTable(why) => {
                self.tried.push((program.to_owned(), why.to_string()));
                return;
            }
        }
        self.looked = true;
    }
}

async fn with_iptables(iptables: Iptables, plan: &Plan) -> Result<(), CaptureError> {
    for rules in &plan.families {
        let existing = read_existing(iptables, rules.family).await?;
        let text = render::iptables(rules, &existing);
        restore(iptables, rules.family, &text).await?;
    }
    for family in Family::BOTH {
        if plan.families.iter().all(|rules| rules.family != family) {
            remove_from_iptables(iptables, family).await?;
        }
    }
    Ok(())
}

async fn with_nft(plan: &Plan) -> Result<(), CaptureError> {
    let tables = nft_tables().await;
    let tables = tables.map_err(|error| program_error("nft", error))?;
    feed_nft(&render::nft(plan, &tables)).await
}

/// Removes what an earlier run with another back end left. Who is not installed, or cannot read
/// rules here, has left nothing.
async fn remove_from_others(chosen: Backend) -> Result<(), CaptureError> {
    for iptables in backend::installed(&mut backend::Tried::new()).await {
        let is_chosen = matches!(chosen, Backend::Iptables(own) if own.kind == iptables.kind);
        if !is_chosen {
            for family in Family::BOTH {
                remove_from_iptables(iptables, family).await?;
            }
        }
    }
    if chosen != Backend::Nft {
        remove_from_nft().await?;
    }
    Ok(())
}

/// What there was of ours before it was removed.
enum Found {
    Rules,
    Nothing,
    /// Nobody can have made rules that nobody can read.
    NoTable(ProgramError),
}

async fn remove_from_iptables(iptables: Iptables, family: Family) -> Result<Found, CaptureError> {
    if iptables.kind == Kind::Legacy && !backend::has_legacy_tables() {
        return Ok(Found::Nothing);
    }
    let existing = match iptables.nat(family).await {
        Ok(nat) => Existing::read(&nat),
        Err(why) => return Ok(Found::NoTable(why)),
    };
    let Some(text) = render::iptables_clean_up(&existing) else {
        return Ok(Found::Nothing);
    };
    restore(iptables, family, &text).await?;
    Ok(Found::Rules)
}

async fn remove_from_nft() -> Result<Found, CaptureError> {
    let tables = match nft_tables().await {
        Ok(tables) => tables,
        Err(why) => return Ok(Found::NoTable(why)),
    };
    let Some(text) = render::nft_clean_up(&tables) else {
        return Ok(Found::Nothing);
    };
    feed_nft(&text).await?;
    Ok(Found::Rules)
}

async fn read_existing(iptables: Iptables, family: Family) -> Result<Existing, CaptureError> {
    let nat = iptables.nat(family).await;
    let nat = nat.map_err(|error| program_error(&iptables.program(family, "save"), error))?;
    Ok(Existing::read(&nat))
}

async fn restore(iptables: Iptables, family: Family, text: &str) -> Result<(), CaptureError> {
    let program = iptables.program(family, "restore");
    let done = feed(&program, &RESTORE, text).await;
    done.map_err(|error| program_error(&program, error))?;
    Ok(())
}

async fn nft_tables() -> Result<Vec<Family>, ProgramError> {
    let listed = read("nft", &["list", "tables"]).await?;
    Ok(our_tables(&listed))
}

async fn feed_nft(text: &str) -> Result<(), CaptureError> {
    let done = feed("nft", &["-f", "-"], text).await;
    done.map_err(|error| program_error("nft", error))?;
    Ok(())
}

fn program_error(program: &str, error: ProgramError) -> CaptureError {
    CaptureError::Program {
        program: program.to_owned(),
        error,
    }
}

fn list(tried: &[(String, String)]) -> String {
    let each: Vec<_> = tried
        .iter()
        .map(|(program, why)| format!("{program}: {why}"))
        .collect();
    each.join("; ")
}

fn is_absent(why: &str) -> bool {
    why == ProgramError::Absent.to_string()
}
