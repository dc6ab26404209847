//! The service graph: who calls whom, how often, how well. A pure function of what the store holds.
//!
//! Every request is reported by the proxies of both ends, where both have one. An edge takes one
//! end's report, never the sum: the destination's where it has one, else the source's.

mod latency;
mod tally;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;

use crate::series::Key;
use crate::store::Reading;
use crate::window;
use latency::Latency;
use tally::Tally;

/// Version of the JSON document.
const VERSION: u32 = 1;
/// Requests of HTTP and gRPC.
const REQUESTS: &str = "istio_requests_total";
/// How long they took.
const DURATION: &str = "istio_request_duration_milliseconds";
/// TCP connections, which stand in the place of requests for the protocol tcp.
const CONNECTIONS: &str = "istio_tcp_connections_opened_total";
/// How proxies write what they do not know.
const UNKNOWN: &str = "unknown";
/// Service names that stand for "none of the mesh" (istio: the names of these clusters).
const NO_SERVICES: [&str; 4] = [
    UNKNOWN,
    "BlackHoleCluster",
    "PassthroughCluster",
    "InboundPassthroughCluster",
];

/// Whether the graph looks at a metric; the store keeps a window for those alone.
#[must_use]
pub fn is_watched(metric: &str) -> bool {
    matches!(metric, REQUESTS | DURATION | CONNECTIONS)
}

/// The graph, as `/graph` prints it; docs/graph.md explains each field.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Graph {
    version: u32,
    window_seconds: u64,
    services: Vec<Service>,
    edges: Vec<Edge>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Service {
    name: String,
    namespace: String,
    versions: BTreeSet<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Edge {
    source: Source,
    destination: Destination,
    protocol: String,
    requests_per_second: f64,
    requests_total: u64,
    error_share: f64,
    latency_ms: Latency,
    mutual_tls: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Source {
    workload: String,
    namespace: String,
    app: String,
    version: String,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Destination {
    service: String,
    namespace: String,
    workload: String,
    version: String,
}

/// What both ends call an edge by: workloads and service. Versions and app are left out, because
/// an end may not know those of the other.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Name {
    source: (String, String),
    destination: (String, String, String),
    protocol: String,
}

type Ends = (Source, Destination);

/// The reports of an edge.
#[derive(Debug, Default)]
struct Reports {
    by_source: BTreeMap<Ends, Tally>,
    by_destination: BTreeMap<Ends, Tally>,
}

impl Graph {
    /// Draws the graph; `covered` is the time that the windows of the readings span.
    #[must_use]
    pub fn of(readings: &[(Key, Reading)], covered: Duration) -> Self {
        let mut named: BTreeMap<Name, Reports> = BTreeMap::new();
        for (key, reading) in readings {
            let (name, ends) = name(key);
            let reports = named.entry(name).or_default();
            let side = match key.label("reporter") {
                Some("destination") => &mut reports.by_destination,
                Some("source") => &mut reports.by_source,
                _ => continue,
            };
            side.entry(ends).or_default().add(key, reading);
        }
        let mut edges = Vec::new();
        for (name, reports) in named {
            for (ends, tally) in reports.choose() {
                edges.push(edge(&name.protocol, ends, &tally, covered));
            }
        }
        Self {
            version: VERSION,
            window_seconds: window::LENGTH.as_secs(),
            services: services(&edges),
            edges,
        }
    }
}

impl Reports {
    /// The destination's report, unless only the source has had anything to say lately: then the
    /// requests did not arrive.
    fn choose(self) -> BTreeMap<Ends, Tally> {
        let lately = |side: &BTreeMap<Ends, Tally>| side.values().any(Tally::is_lively);
        let arrived = self.by_destination.values().any(Tally::is_counted);
        if lately(&self.by_destination) || (arrived && !lately(&self.by_source)) {
            self.by_destination
        } else {
            self.by_source
        }
    }
}

fn name(key: &Key) -> (Name, Ends) {
    let label = |name: &str| {
        let value = key.label(name).filter(|value| !value.is_empty());
        value.unwrap_or(UNKNOWN).to_owned()
    };
    let source = Source {
        workload: label("source_workload"),
        namespace: label("source_workload_namespace"),
        app: label("source_app"),
        version: label("source_version"),
    };
    let destination = Destination {
        service: label("destination_service_name"),
        namespace: label("destination_service_namespace"),
        workload: label("destination_workload"),
        version: label("destination_version"),
    };
    let protocol = match key.metric() {
        CONNECTIONS => "tcp".to_owned(),
        _ => label("request_protocol"),
    };
    let name = Name {
        source: (source.namespace.clone(), source.workload.clone()),
        destination: (
            destination.namespace.clone(),
            destination.service.clone(),
            destination.workload.clone(),
        ),
        protocol,
    };
    (name, (source, destination))
}

fn edge(protocol: &str, ends: Ends, tally: &Tally, covered: Duration) -> Edge {
    let (source, destination) = ends;
    Edge {
        source,
        destination,
        protocol: protocol.to_owned(),
        requests_per_second: rounded(tally.lately as f64 / covered.as_secs_f64().max(1.0)),
        requests_total: tally.total,
        error_share: rounded(tally.error_share()),
        latency_ms: tally.latency.percentiles(),
        mutual_tls: tally.is_secure(),
    }
}

fn services(edges: &[Edge]) -> Vec<Service> {
    let mut found: BTreeMap<(&str, &str), BTreeSet<String>> = BTreeMap::new();
    for Destination {
        service,
        namespace,
        workload: _,
        version,
    } in edges.iter().map(|edge| &edge.destination)
    {
        if NO_SERVICES.contains(&service.as_str()) {
            continue;
        }
        let versions = found.entry((namespace, service)).or_default();
        if version != UNKNOWN {
            versions.insert(version.clone());
        }
    }
    let service = |((namespace, name), versions): ((&str, &str), _)| Service {
        name: name.to_owned(),
        namespace: namespace.to_owned(),
        versions,
    };
    found.into_iter().map(service).collect()
}

/// To three decimals, which is more than anybody reads.
fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests;
