//! One measurement of one peer.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use mesh_model::time::Clock;
use mesh_runtime::SystemClock;
use mesh_test::eventually;
use mesh_tests::processes::{cpu_nanoseconds, rss_kib};

use crate::hold::Held;
use crate::load::{Protocol, Report};
use crate::peer::{GRPC_HOST, HOST, Running};
use crate::process::{Cores, Process, busy_nanoseconds};
use crate::scenario::{Connections, Pattern};

/// Connections held while memory is looked at.
const HELD: u64 = 9000;
/// Memory is at rest when it has been the same for so long: longer than the heap's next look at itself.
const REST: Duration = Duration::from_secs(12);
/// What does not come to rest is looked at after so long.
const RESTLESS: Duration = Duration::from_secs(40);

/// What one measurement gave. What a scenario does not measure is absent.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sample {
    pub(crate) rps: Option<f64>,
    pub(crate) cpu_us: Option<f64>,
    pub(crate) p50_us: Option<f64>,
    pub(crate) p99_us: Option<f64>,
    pub(crate) rss_kib: Option<f64>,
    pub(crate) gb_s: Option<f64>,
    pub(crate) cpu_s_per_gb: Option<f64>,
    pub(crate) kib_per_connection: Option<f64>,
    pub(crate) errors: u64,
    pub(crate) complaint: Option<String>,
    /// Share of the proxies' core that somebody else used.
    pub(crate) foreign: Option<f64>,
}

/// Where messages of our own processes go, and where they run.
pub(crate) struct Bench<'a> {
    pub(crate) cores: Cores,
    pub(crate) folder: &'a Path,
    pub(crate) seconds: u64,
}

impl Bench<'_> {
    /// Puts load on a peer.
    pub(crate) fn load(
        &self,
        running: &Running,
        pattern: Pattern,
        rate: Option<u32>,
    ) -> Result<Sample> {
        let arguments = load_arguments(running.to, pattern, rate, self.seconds);
        let before = self.usage(running)?;
        let mut load = Process::start_own(self.cores.load, &arguments, self.folder)?;
        let output = load.child().stdout.take().context("a pipe")?;
        let report: Result<Report, _> = serde_json::from_reader(output);
        let report = report.with_context(|| format!("load generator: {}", load.complaints()))?;
        let after = self.usage(running)?;
        let bulk = pattern.expect > 1 << 20;
        let cpu = after.cpu - before.cpu;
        let wall = (after.at - before.at).as_nanos() as f64;
        let gigabytes = report.bytes as f64 / 1e9;
        let only = |wanted: bool, value: f64| wanted.then_some(value);
        Ok(Sample {
            rps: only(!bulk, report.rps),
            cpu_us: only(!bulk, cpu / 1000.0 / report.answers.max(1) as f64),
            p50_us: only(!bulk, report.p50_us),
            p99_us: only(!bulk, report.p99_us),
            rss_kib: Some(rss_kib(&running.pids)? as f64),
            gb_s: only(bulk, report.gb_s),
            cpu_s_per_gb: only(bulk, cpu / 1e9 / gigabytes.max(f64::MIN_POSITIVE)),
            kib_per_connection: None,
            errors: report.errors,
            complaint: report.complaint,
            foreign: Some(((after.busy - before.busy - cpu) / wall).max(0.0)),
        })
    }

    /// Looks at a peer's memory while connections are held in that way.
    pub(crate) fn memory(&self, running: &Running, held: Connections) -> Result<Sample> {
        if held == Connections::None {
            return Ok(Sample {
                rss_kib: Some(at_rest(&running.pids)? as f64),
                ..Sample::default()
            });
        }
        let before = rss_kib(&running.pids)? as f64;
        let arguments = hold_arguments(running, held);
        let mut holder = Process::start_own(self.cores.load, &arguments, self.folder)?;
        let output = holder.child().stdout.take().context("a pipe")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let held: Result<Held, _> = serde_json::from_str(&line);
        let held = held.with_context(|| format!("nothing was held: {}", holder.complaints()))?;
        let complaint = || held.complaint.clone().unwrap_or_default();
        ensure!(held.open > 0, "no connection was held: {}", complaint());
        let after = rss_kib(&running.pids)? as f64;
        Ok(Sample {
            rss_kib: Some(after),
            kib_per_connection: Some((after - before) / held.open as f64),
            errors: held.lost,
            complaint: held.complaint,
            ..Sample::default()
        })
    }

    fn usage(&self, running: &Running) -> Result<Usage> {
        Ok(Usage {
            at: SystemClock.now(),
            cpu: cpu_nanoseconds(&running.pids)? as f64,
            busy: busy_nanoseconds(self.cores.proxy)? as f64,
        })
    }
}

/// Resident memory when what a start or a burst of configuration took has been given back.
fn at_rest(pids: &[i32]) -> Result<u64> {
    let start = SystemClock.now();
    let mut since = (start, rss_kib(pids)?);
    eventually("memory at rest", || {
        let (now, bytes) = match rss_kib(pids) {
            Ok(bytes) => (SystemClock.now(), bytes),
            Err(gone) => return Ok(Err(gone)),
        };
        if bytes != since.1 {
            since = (now, bytes);
        }
        let over = now - since.0 >= REST || now - start >= RESTLESS;
        over.then_some(Ok(bytes)).ok_or(bytes)
    })
}

/// Processor time up to a moment, in nanoseconds.
struct Usage {
    at: Instant,
    cpu: f64,
    busy: f64,
}

fn load_arguments(
    to: SocketAddr,
    pattern: Pattern,
    rate: Option<u32>,
    seconds: u64,
) -> Vec<String> {
    let (protocol, host) = match pattern.protocol {
        Protocol::Http1 => ("http1", HOST),
        Protocol::Grpc => ("grpc", GRPC_HOST),
    };
    let Pattern {
        connections,
        streams,
        path,
        expect,
        ..
    } = pattern;
    let mut line = format!(
        "load --to {to} --protocol {protocol} --connections {connections} --streams {streams} \
         --seconds {seconds} --path {path} --host {host} --expect {expect}"
    );
    if let Some(rate) = rate {
        line.push_str(&format!(" --rate {rate}"));
    }
    if pattern.reconnect {
        line.push_str(" --reconnect");
    }
    line.split(' ').map(ToOwned::to_owned).collect()
}

fn hold_arguments(running: &Running, held: Connections) -> Vec<String> {
    let line = format!("hold --to {} --connections {HELD}", running.to);
    let mut words: Vec<String> = line.split(' ').map(ToOwned::to_owned).collect();
    if held != Connections::Opened {
        words.extend(["--host", HOST].map(ToOwned::to_owned));
    }
    if held == Connections::KeptTls {
        let folder = running.certificates.to_string_lossy().into_owned();
        let more = ["--certificates", &folder, "--alpn", running.alpn];
        words.extend(more.map(ToOwned::to_owned));
    }
    words
}
