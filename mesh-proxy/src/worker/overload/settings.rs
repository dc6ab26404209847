//! Flags of the overload manager, and what they become.

use clap::Args;

use crate::worker::overload::bounds::Most;
use crate::worker::overload::memory::{self, Groups};

/// What a proxy may use.
#[derive(Debug, Clone, Default, Args)]
pub struct OverloadFlags {
    /// Memory of the process in bytes, or like 64Mi: close to it load is shed. 0 is no limit;
    /// without the flag that of the cgroup holds, whatever it becomes, or of the process (ulimit -v).
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes)]
    pub memory_limit: Option<u64>,
    /// Connections of clients at a time; without it three quarters of the files that the process
    /// may open.
    #[arg(long, value_name = "COUNT", value_parser = parse_count)]
    pub max_connections: Option<usize>,
    /// Those at one listener; without it seven eighths of all.
    #[arg(long, value_name = "COUNT", value_parser = parse_count)]
    pub max_connections_per_listener: Option<usize>,
    /// Those from one address; without it there is no bound.
    #[arg(long, value_name = "COUNT", value_parser = parse_count)]
    pub max_connections_per_ip: Option<usize>,
}

/// The limits of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OverloadSettings {
    /// Bytes of resident memory; `None` for as much as there is.
    pub memory: Option<u64>,
    /// Whether that is what the machine allows, which may change.
    pub of_machine: bool,
    /// Connections of clients.
    pub connections: Most,
}

impl Default for OverloadSettings {
    /// No limits.
    fn default() -> Self {
        Self {
            memory: None,
            of_machine: false,
            connections: Most {
                total: usize::MAX,
                listener: usize::MAX,
                client: None,
            },
        }
    }
}

impl From<OverloadFlags> for OverloadSettings {
    fn from(flags: OverloadFlags) -> Self {
        let memory = match flags.memory_limit {
            Some(limit) => Some(limit).filter(|limit| *limit > 0),
            None => Groups::own().limit(),
        };
        let of_files = Most::of_files(memory::files());
        let total = flags.max_connections.unwrap_or(of_files.total);
        let listener = flags
            .max_connections_per_listener
            .unwrap_or_else(|| Most::of_listener(total));
        Self {
            memory,
            of_machine: flags.memory_limit.is_none(),
            connections: Most {
                total,
                listener,
                client: flags.max_connections_per_ip,
            },
        }
    }
}

/// A number of bytes, with the suffixes of Kubernetes' quantities.
fn parse_bytes(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u64); 6] = [
        ("Ki", 1 << 10),
        ("Mi", 1 << 20),
        ("Gi", 1 << 30),
        ("k", 1_000),
        ("M", 1_000_000),
        ("G", 1_000_000_000),
    ];
    let unit = UNITS.iter().find(|(unit, _)| text.ends_with(unit));
    let (number, factor) = match unit {
        Some((unit, factor)) => (text.trim_end_matches(unit), *factor),
        None => (text, 1),
    };
    let bytes = number.parse().ok().and_then(|n: u64| n.checked_mul(factor));
    bytes.ok_or_else(|| format!("{text:?} is no number of bytes; write it like 67108864 or 64Mi"))
}

fn parse_count(text: &str) -> Result<usize, String> {
    let count = text.parse().ok().filter(|count| *count > 0);
    count.ok_or_else(|| format!("{text:?} is no number of connections; write 1 or more"))
}

#[cfg(test)]
mod tests;
