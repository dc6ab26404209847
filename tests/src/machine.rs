//! The machine that was measured on.

use serde::{Deserialize, Serialize};

/// What one needs to know to compare numbers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's model.
    pub processor: String,
    /// How many cores of it.
    pub cores: usize,
    /// Memory, rounded up.
    pub memory_gib: u64,
    /// Linux' release.
    pub kernel: String,
    /// How TCP controls congestion.
    pub congestion_control: String,
}

impl Machine {
    /// This one.
    #[must_use]
    pub fn here() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let value = |text: &str, key: &str| {
            let line = text.lines().find(|line| line.starts_with(key));
            let value = line.and_then(|line| line.split(':').nth(1));
            value.unwrap_or_default().trim().to_owned()
        };
        let memory = value(&read("/proc/meminfo"), "MemTotal");
        let kib: u64 = memory
            .split(' ')
            .next()
            .map_or(0, |word| word.parse().unwrap_or(0));
        let congestion = read("/proc/sys/net/ipv4/tcp_congestion_control");
        let cpus = read("/proc/cpuinfo");
        Self {
            processor: value(&cpus, "model name"),
            cores: cpus
                .lines()
                .filter(|line| line.starts_with("processor"))
                .count(),
            memory_gib: kib.div_ceil(1 << 20),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            congestion_control: congestion.trim().to_owned(),
        }
    }
}
