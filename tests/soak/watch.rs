//! Looks at every process of the mesh each second: memory, files, threads, connections.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use mesh_tests::{Mesh, Metrics, Status};
use serde::Serialize;

use crate::changes::POD;

/// What one look saw.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Sample {
    /// Seconds since the soak began.
    pub(crate) at_s: f64,
    /// Resident memory, exactly: `VmRSS` lags behind by some pages for each core.
    pub(crate) rss: u64,
    pub(crate) fds: u64,
    pub(crate) threads: u64,
    /// Connections of clients, by the proxy's own gauge.
    pub(crate) connections: Option<u64>,
}

/// A process of the mesh.
#[derive(Debug, Clone)]
pub(crate) struct Process {
    pub(crate) name: String,
    pub(crate) pid: i32,
    /// Where its metrics are.
    metrics: String,
    is_proxy: bool,
}

/// What was seen of one process.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Its processes, one after the other; more than one where it is stopped and started.
    pub(crate) pids: Vec<i32>,
    pub(crate) samples: Vec<Sample>,
}

/// Whoever looks.
pub(crate) struct Watch {
    mesh: Arc<Mesh>,
    seen: BTreeMap<String, Seen>,
}

impl Watch {
    pub(crate) fn over(mesh: Arc<Mesh>) -> Self {
        let seen = BTreeMap::new();
        Self { mesh, seen }
    }

    /// Looks at all of them once.
    pub(crate) async fn look(&mut self, at_s: f64) -> Result<(), String> {
        for process in processes(&status(&self.mesh)?) {
            let connections = match process.is_proxy {
                true => metrics(&process)
                    .await
                    .map(|metrics| metrics.sum("mesh_proxy_connections", &[])),
                false => None,
            };
            // A pod that is being stopped may be gone by now.
            let Some(sample) = sample(process.pid, at_s, connections) else {
                continue;
            };
            let seen = self.seen.entry(process.name).or_default();
            if seen.pids.last() != Some(&process.pid) {
                seen.pids.push(process.pid);
            }
            seen.samples.push(sample);
        }
        Ok(())
    }

    /// What must hold of every process at the end: it is the one of the beginning, and none of its
    /// tasks has panicked. Says what does not.
    pub(crate) async fn complaints(&self) -> Result<Vec<String>, String> {
        let mut complaints = Vec::new();
        for process in processes(&status(&self.mesh)?) {
            let name = &process.name;
            let pids = self.seen.get(name).map(|seen| seen.pids.len());
            if !is_planned_to_restart(name) && pids != Some(1) {
                complaints.push(format!("{name} was started again"));
            }
            match metrics(&process).await {
                Some(metrics) => {
                    let panics = metrics.sum("mesh_task_panics_total", &[]);
                    if panics > 0 {
                        complaints.push(format!("{name}: {panics} tasks panicked"));
                    }
                }
                None => complaints.push(format!("{name} does not show its metrics")),
            }
        }
        Ok(complaints)
    }

    /// Memory of all of them together, as it was seen last.
    pub(crate) fn resident(&self) -> u64 {
        let last = self.seen.values().filter_map(|seen| seen.samples.last());
        last.map(|sample| sample.rss).sum()
    }

    /// Everything that was seen.
    pub(crate) fn seen(&self) -> &BTreeMap<String, Seen> {
        &self.seen
    }
}

/// Whether the soak itself stops and starts it.
pub(crate) fn is_planned_to_restart(name: &str) -> bool {
    name.starts_with(POD)
}

/// What runs, from the supervisor's own file: no process is started for it.
fn status(mesh: &Mesh) -> Result<Status, String> {
    let file = mesh.state().join("mesh.json");
    let text = std::fs::read_to_string(&file).map_err(|error| error.to_string())?;
    serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))
}

fn processes(status: &Status) -> Vec<Process> {
    let components = status.components.iter().filter_map(|component| {
        let is_proxy = component.name == "istio-ingressgateway";
        process(&component.name, component.pid, &component.admin, is_proxy)
    });
    let sidecars = status.workloads.iter().filter_map(|workload| {
        process(&workload.name, workload.sidecar_pid, &workload.admin, true)
    });
    components.chain(sidecars).collect()
}

fn process(name: &str, pid: Option<i32>, admin: &str, is_proxy: bool) -> Option<Process> {
    let page = if is_proxy {
        "stats/prometheus"
    } else {
        "metrics"
    };
    Some(Process {
        name: name.to_owned(),
        pid: pid?,
        metrics: format!("{admin}/{page}"),
        is_proxy,
    })
}

async fn metrics(process: &Process) -> Option<Metrics> {
    let answer = mesh_test::client::get(&process.metrics, &[]).await.ok()?;
    Some(Metrics::parse(&String::from_utf8_lossy(answer.body())))
}

fn sample(pid: i32, at_s: f64, connections: Option<u64>) -> Option<Sample> {
    let folder = format!("/proc/{pid}");
    let folder = Path::new(&folder);
    let count = |name: &str| Some(std::fs::read_dir(folder.join(name)).ok()?.count() as u64);
    let rollup = std::fs::read_to_string(folder.join("smaps_rollup")).ok()?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Rss:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(Sample {
        at_s,
        rss: kib * 1024,
        fds: count("fd")?,
        threads: count("task")?,
        connections,
    })
}
