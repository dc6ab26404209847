//! The metrics that the hub takes: name, kind and bounds, known before the first proxy reports.
//!
//! What they are is not for a proxy to say, else the first to report would decide for all others.

use mesh_runtime::metrics::BOUNDS;

/// A metric that proxies report.
#[derive(Debug, PartialEq)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// What it is about, for those who read a scrape.
    pub help: &'static str,
    /// What its series count.
    pub kind: Kind,
}

/// Counters and histograms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// One number that grows.
    Counter,
    /// Observations per bucket; the last bucket has no bound.
    Histogram(&'static [f64]),
}

impl Kind {
    /// Numbers that a series of this kind holds.
    #[must_use]
    pub const fn columns(self) -> usize {
        match self {
            Self::Counter => 1,
            Self::Histogram(bounds) => bounds.len() + 1,
        }
    }
}

/// Every metric that is taken: those of requests, and Istio's four of TCP connections.
const KNOWN: [Metric; 8] = [
    Metric {
        name: "istio_requests_total",
        help: "Requests that were completed",
        kind: Kind::Counter,
    },
    Metric {
        name: "istio_request_duration_milliseconds",
        help: "Time from a request's first byte to its answer's last, in milliseconds",
        kind: Kind::Histogram(&BOUNDS),
    },
    Metric {
        name: "istio_request_bytes",
        help: "Bytes of requests, headers included",
        kind: Kind::Histogram(&BOUNDS),
    },
    Metric {
        name: "istio_response_bytes",
        help: "Bytes of answers, headers included",
        kind: Kind::Histogram(&BOUNDS),
    },
    Metric {
        name: "istio_tcp_connections_opened_total",
        help: "TCP connections opened",
        kind: Kind::Counter,
    },
    Metric {
        name: "istio_tcp_connections_closed_total",
        help: "TCP connections closed",
        kind: Kind::Counter,
    },
    Metric {
        name: "istio_tcp_sent_bytes_total",
        help: "Bytes sent to TCP clients",
        kind: Kind::Counter,
    },
    Metric {
        name: "istio_tcp_received_bytes_total",
        help: "Bytes received from TCP clients",
        kind: Kind::Counter,
    },
];

/// The metric of this name, if it is one that the hub takes.
#[must_use]
pub fn known(name: &str) -> Option<&'static Metric> {
    const TABLE: &[Metric] = &KNOWN;
    TABLE.iter().find(|metric| metric.name == name)
}

#[cfg(test)]
mod tests;
