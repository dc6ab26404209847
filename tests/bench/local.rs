//! The product as a whole: how long it takes to start and to apply, what it holds, how it answers.

use std::time::Duration;

use mesh_model::time::Clock;
use mesh_runtime::SystemClock;
use mesh_tests::processes::rss_kib;
use mesh_tests::{Caller, Mesh, Setup};
use serde::{Deserialize, Serialize};

/// Times that a change is applied, and that a mesh is started.
const CHANGES: usize = 20;
const STARTS: usize = 5;
/// Requests that one caller sends through a pair of sidecars.
const REQUESTS: usize = 5000;

/// One measured quantity.
struct Row {
    name: &'static str,
    what: &'static str,
    unit: &'static str,
    samples: Vec<f64>,
}

impl Row {
    /// The sample below which the given share of all samples lies.
    fn quantile(&self, share: f64) -> f64 {
        let mut sorted = self.samples.clone();
        sorted.sort_by(f64::total_cmp);
        let at = ((sorted.len().saturating_sub(1)) as f64 * share).round() as usize;
        sorted.get(at).copied().unwrap_or(f64::NAN)
    }

    fn kept(&self) -> LocalRow {
        LocalRow {
            name: self.name.to_owned(),
            what: self.what.to_owned(),
            unit: self.unit.to_owned(),
            samples: self.samples.len(),
            median: self.quantile(0.5),
            p99: self.quantile(0.99),
            min: self.quantile(0.0),
            max: self.quantile(1.0),
        }
    }
}

/// One measured quantity as results keep it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct LocalRow {
    pub(crate) name: String,
    pub(crate) what: String,
    pub(crate) unit: String,
    pub(crate) samples: usize,
    pub(crate) median: f64,
    pub(crate) p99: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

/// Measures a Bookinfo mesh.
pub(crate) fn rows() -> anyhow::Result<Vec<LocalRow>> {
    let mut rows = vec![starts()];
    let mesh = Setup::bookinfo().up();
    rows.extend(memory(&mesh)?);
    rows.push(changes(&mesh));
    rows.push(crate::runtime()?.block_on(latency(&mesh))?);
    Ok(rows.iter().map(Row::kept).collect())
}

/// How long `meshctl up` takes until everything is ready.
fn starts() -> Row {
    let samples = (0..STARTS).map(|_| {
        let started = SystemClock.now();
        let mesh = Setup::bookinfo().up();
        let took = SystemClock.now().duration_since(started);
        drop(mesh);
        took.as_secs_f64() * 1000.0
    });
    Row {
        name: "up",
        what: "meshctl up until everything is ready",
        unit: "ms",
        samples: samples.collect(),
    }
}

/// How long `meshctl apply` takes: it returns when every sidecar has the change in force.
fn changes(mesh: &Mesh) -> Row {
    let samples = (0..CHANGES).map(|index| {
        let subset = if index % 2 == 0 { "v1" } else { "v2" };
        let yaml = format!(
            "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: reviews}}\n\
             spec:\n  hosts: [reviews]\n  http:\n  - route:\n    - destination: {{host: reviews, subset: {subset}}}\n"
        );
        let started = SystemClock.now();
        mesh.apply(&yaml);
        SystemClock.now().duration_since(started).as_secs_f64() * 1000.0
    });
    let what = "meshctl apply until the change is in force in every sidecar";
    Row {
        name: "apply",
        what,
        unit: "ms",
        samples: samples.collect(),
    }
}

/// Resident memory of idle sidecars and of the control plane.
fn memory(mesh: &Mesh) -> anyhow::Result<Vec<Row>> {
    let status = mesh.status();
    let sidecars = status
        .workloads
        .iter()
        .filter_map(|workload| workload.sidecar_pid);
    let sidecars = sidecars.map(rss_mib).collect::<anyhow::Result<_>>()?;
    let mut rows = vec![Row {
        name: "rss-sidecar",
        what: "VmRSS of the idle sidecars",
        unit: "MiB",
        samples: sidecars,
    }];
    let components = [
        ("citadel", "rss-citadel", "VmRSS of citadel"),
        ("pilot", "rss-pilot", "VmRSS of pilot"),
        ("mixer", "rss-mixer", "VmRSS of mixer"),
    ];
    for (component, name, what) in components {
        if let Some(pid) = status.component(component).pid {
            rows.push(Row {
                name,
                what,
                unit: "MiB",
                samples: vec![rss_mib(pid)?],
            });
        }
    }
    Ok(rows)
}

/// Time of one request after the other through a pair of sidecars with mutual TLS.
async fn latency(mesh: &Mesh) -> anyhow::Result<Row> {
    let outbound = mesh
        .status()
        .workload("productpage")
        .outbound
        .clone()
        .unwrap_or_default();
    let mut caller = Caller::through(&outbound).await;
    let mut samples = Vec::with_capacity(REQUESTS);
    for _ in 0..REQUESTS {
        let started = SystemClock.now();
        let (status, body) = caller.answer("http://details:9080/details/0", &[]).await;
        anyhow::ensure!(status == 200, "{status}: {body}");
        samples.push(micros(SystemClock.now().duration_since(started)));
    }
    let what = "one request after the other: client, sidecar, mutual TLS, sidecar, application";
    Ok(Row {
        name: "pair-sequential",
        what,
        unit: "us",
        samples,
    })
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000_000.0
}

fn rss_mib(pid: i32) -> anyhow::Result<f64> {
    Ok(rss_kib(&[pid])? as f64 / 1024.0)
}

/// The rows as aligned lines.
pub(crate) fn table(rows: &[LocalRow]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut text = "\nNAME               MEDIAN       P99  UNIT  SAMPLES  WHAT\n".to_owned();
    for row in rows {
        let LocalRow {
            name,
            what,
            unit,
            samples,
            median,
            p99,
            ..
        } = row;
        text.push_str(&format!(
            "{name:<16} {median:>8.1}  {p99:>8.1}  {unit:<4}  {samples:>7}  {what}\n"
        ));
    }
    text
}
