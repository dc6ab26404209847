//! Results: a document for programs, lines and a table for people.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use mesh_tests::mesh::binary;
use mesh_tests::trend::Trend;
use serde::Serialize;

use crate::ledger::{Books, Failure, Row};
use crate::watch::{Sample, Seen, Watch, is_planned_to_restart};

/// Version of the document.
const VERSION: u32 = 2;

/// Growth of resident memory in the last half above which a process leaks, in bytes per second.
pub(crate) const BOUND: f64 = 20.0;

/// Runs shorter than this have slopes that say nothing: one page more in half a minute is 136 B/s.
const JUDGED_FROM: u64 = 600;

/// Everything that one run gave: target/soak/results.json (docs/testing.md).
#[derive(Debug, Serialize)]
pub(crate) struct Results {
    version: u32,
    /// Whether nothing is unexplained and nothing leaks.
    passed: bool,
    /// Whether it was ended before its time.
    interrupted: bool,
    seed: u64,
    seconds: f64,
    exchanges: u64,
    unexplained: u64,
    traffic: BTreeMap<&'static str, Row>,
    /// The first hundred failures that nobody can explain.
    failures: Vec<Failure>,
    /// What else is wrong: a process that died, a task that panicked.
    complaints: Vec<String>,
    /// Bytes per second that memory may grow by in the last half.
    rss_bound: f64,
    /// Whether the run was long enough to hold processes to that.
    slopes_judged: bool,
    processes: Vec<ProcessRow>,
}

/// What became of one process.
#[derive(Debug, Serialize)]
struct ProcessRow {
    name: String,
    /// How often the soak stopped and started it; its slopes are not judged then.
    planned_restarts: usize,
    rss_slope: Option<f64>,
    /// How far that may be off: its standard error.
    rss_slope_error: Option<f64>,
    fds_slope: Option<f64>,
    threads_slope: Option<f64>,
    /// Whether its memory grows faster than the bound, by two standard errors.
    leaks: bool,
    samples: Vec<Sample>,
}

impl ProcessRow {
    fn new(name: &str, seen: &Seen, judged: bool) -> Self {
        let half = seen.samples.last().map_or(0.0, |last| last.at_s / 2.0);
        let last_half = seen.samples.iter().filter(|sample| sample.at_s >= half);
        let last_half: Vec<&Sample> = last_half.collect();
        let of = |value: fn(&Sample) -> u64| {
            let points = last_half.iter().map(|s| (s.at_s, value(s) as f64));
            Trend::of(&points.collect::<Vec<_>>())
        };
        let planned = is_planned_to_restart(name);
        let rss = of(|sample| sample.rss);
        let slope = |trend: Option<Trend>| trend.map(|trend| trend.slope);
        Self {
            name: name.to_owned(),
            planned_restarts: if planned { seen.pids.len() - 1 } else { 0 },
            rss_slope: slope(rss),
            rss_slope_error: rss.map(|trend| trend.error),
            fds_slope: slope(of(|sample| sample.fds)),
            threads_slope: slope(of(|sample| sample.threads)),
            leaks: judged && !planned && rss.is_some_and(|trend| trend.exceeds(BOUND)),
            samples: seen.samples.clone(),
        }
    }

    /// The value of the first, the middle, the last and the largest sample.
    fn course(&self, value: impl Fn(&Sample) -> u64) -> [u64; 4] {
        let at = |index: usize| self.samples.get(index).map_or(0, &value);
        let last = self.samples.len().saturating_sub(1);
        let most = self.samples.iter().map(&value).max().unwrap_or(0);
        [at(0), at(last / 2), at(last), most]
    }
}

/// How a run was and how it ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) seed: u64,
    pub(crate) wanted: u64,
    pub(crate) seconds: f64,
    pub(crate) interrupted: bool,
    pub(crate) complaints: Vec<String>,
}

/// Who seems to leak by now, and how fast; nobody in runs that are too short to say it.
pub(crate) fn suspects(watch: &Watch, wanted: u64) -> Vec<String> {
    let rows = rows(watch, wanted >= JUDGED_FROM);
    let leaking = rows.iter().filter(|process| process.leaks);
    let lines =
        leaking.map(|process| format!("{} grows by {} B/s", process.name, process.growth()));
    lines.collect()
}

fn rows(watch: &Watch, judged: bool) -> Vec<ProcessRow> {
    let seen = watch.seen().iter();
    seen.map(|(name, seen)| ProcessRow::new(name, seen, judged))
        .collect()
}

impl Results {
    pub(crate) fn new(run: Run, books: Books, watch: &Watch) -> Self {
        let slopes_judged = run.wanted >= JUDGED_FROM && !run.interrupted;
        let processes = rows(watch, slopes_judged);
        let unexplained = books.unexplained();
        let leaks = processes.iter().any(|process| process.leaks);
        Self {
            version: VERSION,
            passed: unexplained == 0 && run.complaints.is_empty() && !leaks && !run.interrupted,
            interrupted: run.interrupted,
            seed: run.seed,
            seconds: run.seconds,
            exchanges: books.exchanges(),
            unexplained,
            traffic: books.rows,
            failures: books.failures,
            complaints: run.complaints,
            rss_bound: BOUND,
            slopes_judged,
            processes,
        }
    }

    pub(crate) fn passed(&self) -> bool {
        self.passed
    }

    /// Writes the document.
    pub(crate) fn write(&self, file: &Path) -> Result<()> {
        std::fs::write(file, self.json()? + "\n").with_context(|| file.display().to_string())
    }

    /// The document.
    pub(crate) fn json(&self) -> Result<String> {
        Ok(serde_json::to_string(self)?)
    }

    /// Aligned tables.
    pub(crate) fn table(&self) -> String {
        let mut text = format!(
            "\n{:<18} {:>9} {:>9} {:>12}  EXPECTED BECAUSE\n",
            "TRAFFIC", "GOOD", "EXPECTED", "UNEXPLAINED"
        );
        for (name, row) in &self.traffic {
            let reasons = row.expected.iter().map(|(reason, count)| {
                let word = serde_json::to_string(reason).unwrap_or_default();
                format!("{} {count}", word.trim_matches('"'))
            });
            let reasons: Vec<_> = reasons.collect();
            let line = format!(
                "{name:<18} {:>9} {:>9} {:>12}  {}",
                row.good,
                row.expected(),
                row.unexplained,
                reasons.join(", ")
            );
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text.push_str(&format!(
            "\n{:<22} {:>8} {:>8} {:>8} {:>8} {:>15}  {:>14} {:>8}  {:>11}\n",
            "PROCESS", "RSS KiB", "MIDDLE", "END", "MOST", "B/s", "FILES", "CONNS", "THREADS"
        ));
        for process in &self.processes {
            text.push_str(&process.line());
        }
        text.push_str(&self.verdict());
        text
    }

    fn verdict(&self) -> String {
        let mut text = format!(
            "\n{} exchanges in {:.0} s, {} unexplained; seed {}\n",
            self.exchanges, self.seconds, self.unexplained, self.seed
        );
        for complaint in &self.complaints {
            text.push_str(&format!("{complaint}\n"));
        }
        if !self.slopes_judged {
            text.push_str(&format!(
                "memory is judged in runs of {JUDGED_FROM} s and more\n"
            ));
        }
        for process in self.processes.iter().filter(|process| process.leaks) {
            let (name, slope) = (&process.name, process.growth());
            text.push_str(&format!(
                "{name} grows by {slope} B/s in the last half; {BOUND} are allowed\n"
            ));
        }
        text.push_str(match (self.interrupted, self.passed) {
            (true, _) => "INTERRUPTED\n",
            (false, true) => "PASSED\n",
            (false, false) => "FAILED\n",
        });
        text
    }
}

impl ProcessRow {
    /// Slope and standard error, in bytes per second.
    fn growth(&self) -> String {
        match (self.rss_slope, self.rss_slope_error) {
            (Some(slope), Some(error)) => format!("{slope:.0} ±{error:.0}"),
            _ => "-".to_owned(),
        }
    }

    fn line(&self) -> String {
        let [first, middle, last, most] = self.course(|sample| sample.rss / 1024);
        let slope = match self.planned_restarts {
            0 => self.growth(),
            _ => "-".to_owned(),
        };
        let range = |value: fn(&Sample) -> u64| {
            let [first, middle, last, _] = self.course(value);
            format!("{first}/{middle}/{last}")
        };
        let connections = match self.samples.last().and_then(|sample| sample.connections) {
            Some(connections) => connections.to_string(),
            None => "-".to_owned(),
        };
        let mark = if self.leaks { "  LEAKS" } else { "" };
        format!(
            "{:<22} {first:>8} {middle:>8} {last:>8} {most:>8} {slope:>15}  {:>14} {connections:>8}  {:>11}{mark}\n",
            self.name,
            range(|sample| sample.fds),
            range(|sample| sample.threads),
        )
    }
}

/// `target/soak/results.json` beside the binaries that were run.
pub(crate) fn results_file() -> Result<PathBuf> {
    let product = binary("meshctl");
    let target = product.ancestors().nth(2).context("the target folder")?;
    let folder = target.join("soak");
    std::fs::create_dir_all(&folder)?;
    Ok(folder.join("results.json"))
}

/// Says something while it runs, beside the results.
#[expect(
    clippy::print_stderr,
    reason = "a soak speaks to whoever started it; its results go to standard output"
)]
pub(crate) fn note(line: &str) {
    eprintln!("{line}");
}
