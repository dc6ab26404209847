//! Results as a document, as a table for the terminal and as Markdown.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use mesh_tests::Machine;
use mesh_tests::mesh::binary;
use serde::{Deserialize, Serialize};

use crate::local::LocalRow;
use crate::measure::Sample;
use crate::peer::Peer;
use crate::scenario::Scenario;

mod table;

pub(crate) use table::{markdown, progress, terminal};

/// Version of the document.
const VERSION: u32 = 2;

/// Above this share of the proxies' core used by others a row is marked.
pub(crate) const NOISY: f64 = 0.06;

/// Everything that one run gave: target/bench/results.json.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Results {
    pub(crate) version: u32,
    pub(crate) machine: Machine,
    /// Seconds of each measurement under load.
    pub(crate) seconds: u64,
    /// Measurements of each row under load, of which the row is the median.
    pub(crate) runs: usize,
    pub(crate) rows: Vec<Row>,
    pub(crate) not_run: Vec<NotRun>,
    /// The product as a whole on this machine.
    pub(crate) local: Vec<LocalRow>,
}

/// Medians of one peer in one scenario. What a scenario does not measure is null.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) scenario: Scenario,
    pub(crate) peer: Peer,
    /// Answers (in `handshake`: connections) per second.
    pub(crate) rps: Option<f64>,
    /// Processor time of the proxies per answer.
    pub(crate) cpu_us: Option<f64>,
    pub(crate) p50_us: Option<f64>,
    pub(crate) p99_us: Option<f64>,
    /// Resident memory of the proxies at the end.
    pub(crate) rss_kib: Option<f64>,
    pub(crate) gb_s: Option<f64>,
    /// Requests, in all runs, that were not answered as they should be.
    pub(crate) errors: u64,
    /// The first of them.
    pub(crate) complaint: Option<String>,
    pub(crate) cpu_s_per_gb: Option<f64>,
    pub(crate) kib_per_connection: Option<f64>,
    /// The largest share of the proxies' core that somebody else used in a run.
    pub(crate) foreign: Option<f64>,
    /// The lowest and the highest rate of the runs.
    pub(crate) rps_range: Option<(f64, f64)>,
}

/// A row that could not be measured.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct NotRun {
    pub(crate) scenario: Scenario,
    pub(crate) peer: Peer,
    pub(crate) reason: String,
}

impl Results {
    pub(crate) fn new(seconds: u64, runs: usize) -> Self {
        Self {
            version: VERSION,
            machine: Machine::here(),
            seconds,
            runs,
            rows: Vec::new(),
            not_run: Vec::new(),
            local: Vec::new(),
        }
    }

    /// Reads what [`Results::write`] wrote.
    pub(crate) fn read(file: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("{}: run `make bench` first", file.display()))?;
        serde_json::from_str(&text).with_context(|| file.display().to_string())
    }

    /// Writes the document.
    pub(crate) fn write(&self, file: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)?;
        std::fs::write(file, text + "\n").with_context(|| file.display().to_string())
    }

    /// The row of a peer in a scenario.
    pub(crate) fn row(&self, scenario: Scenario, peer: Peer) -> Option<&Row> {
        let mut rows = self.rows.iter();
        rows.find(|row| row.scenario == scenario && row.peer == peer)
    }
}

impl Row {
    /// The medians of some samples.
    pub(crate) fn median(scenario: Scenario, peer: Peer, samples: &[Sample]) -> Self {
        let sorted = |of: fn(&Sample) -> Option<f64>| {
            let mut values: Vec<f64> = samples.iter().filter_map(of).collect();
            values.sort_by(f64::total_cmp);
            values
        };
        let middle = |of: fn(&Sample) -> Option<f64>| {
            let values = sorted(of);
            values.get(values.len() / 2).copied()
        };
        let rates = sorted(|sample| sample.rps);
        Self {
            scenario,
            peer,
            rps: middle(|sample| sample.rps),
            cpu_us: middle(|sample| sample.cpu_us),
            p50_us: middle(|sample| sample.p50_us),
            p99_us: middle(|sample| sample.p99_us),
            rss_kib: middle(|sample| sample.rss_kib),
            gb_s: middle(|sample| sample.gb_s),
            errors: samples.iter().map(|sample| sample.errors).sum(),
            complaint: samples.iter().find_map(|sample| sample.complaint.clone()),
            cpu_s_per_gb: middle(|sample| sample.cpu_s_per_gb),
            kib_per_connection: middle(|sample| sample.kib_per_connection),
            foreign: sorted(|sample| sample.foreign).last().copied(),
            rps_range: rates.first().copied().zip(rates.last().copied()),
        }
    }
}

/// `target/bench/results.json` beside the binaries that were measured.
pub(crate) fn results_file() -> Result<PathBuf> {
    let product = binary("meshctl");
    let target = product.ancestors().nth(2).context("the target folder")?;
    let folder = target.join("bench");
    std::fs::create_dir_all(&folder)?;
    Ok(folder.join("results.json"))
}
