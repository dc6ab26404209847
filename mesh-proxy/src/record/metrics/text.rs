//! Prometheus' text format, version 0.0.4.

use std::fmt::Write;

use mesh_runtime::metrics::BOUNDS;

use crate::record::metrics::cells::HistogramTotals;
use crate::record::metrics::{Metrics, NAMES, Total};

/// Prints a family's value of one series; labels are printed already.
type Pick = fn(&Total) -> &HistogramTotals;

/// The histograms, with their help.
pub(super) const HISTOGRAMS: [(&str, &str, Pick); 3] = [
    (
        "istio_request_duration_milliseconds",
        "Time from the first byte of a request to the last byte of its answer",
        |total| &total.request.duration,
    ),
    (
        "istio_request_bytes",
        "Bytes of requests with their heads",
        |total| &total.request.request_bytes,
    ),
    (
        "istio_response_bytes",
        "Bytes of answers with their heads",
        |total| &total.request.response_bytes,
    ),
];

pub(super) fn print(metrics: &Metrics) -> String {
    let totals = metrics.totals();
    let labels: Vec<String> = totals.iter().map(labels).collect();
    let mut out = String::new();
    head(
        &mut out,
        "istio_requests_total",
        "counter",
        "Requests that were answered",
    );
    for (total, labels) in totals.iter().zip(&labels) {
        line(
            &mut out,
            "istio_requests_total",
            labels,
            total.request.requests,
        );
    }
    for (name, help, pick) in HISTOGRAMS {
        head(&mut out, name, "histogram", help);
        for (total, labels) in totals.iter().zip(&labels) {
            histogram(&mut out, name, labels, pick(total));
        }
    }
    own(&mut out, metrics);
    out
}

fn own(out: &mut String, metrics: &Metrics) {
    let (failures, overflowed) = metrics.failures();
    let name = "mesh_proxy_failures_total";
    head(
        out,
        name,
        "counter",
        "Requests and connections that failed here, by reason",
    );
    for (reason, count) in failures {
        line(out, name, &format!("reason=\"{reason}\""), count);
    }
    let name = "mesh_proxy_mirrored_requests_total";
    head(
        out,
        name,
        "counter",
        "Copies of requests for mirrors, by how they ended",
    );
    for (end, count) in metrics.copies() {
        line(out, name, &format!("result=\"{}\"", end.label()), count);
    }
    let name = "mesh_proxy_metric_series_overflow_total";
    head(
        out,
        name,
        "counter",
        "Requests counted in an overflow series",
    );
    write_to(out, format_args!("{name} {overflowed}\n"));
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    write_to(
        out,
        format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"),
    );
}

fn line(out: &mut String, name: &str, labels: &str, value: u64) {
    write_to(out, format_args!("{name}{{{labels}}} {value}\n"));
}

fn histogram(out: &mut String, name: &str, labels: &str, totals: &HistogramTotals) {
    let mut below = 0;
    for (bound, count) in BOUNDS.iter().zip(&totals.counts) {
        below += count;
        write_to(
            out,
            format_args!("{name}_bucket{{{labels},le=\"{bound}\"}} {below}\n"),
        );
    }
    let count = totals.count();
    write_to(
        out,
        format_args!("{name}_bucket{{{labels},le=\"+Inf\"}} {count}\n"),
    );
    write_to(out, format_args!("{name}_sum{{{labels}}} {}\n", totals.sum));
    write_to(out, format_args!("{name}_count{{{labels}}} {count}\n"));
}

fn labels(total: &Total) -> String {
    let mut out = String::new();
    for (index, (name, value)) in NAMES.iter().zip(total.labels.iter()).enumerate() {
        if index > 0 {
            out.push(',');
        }
        write_to(&mut out, format_args!("{name}=\""));
        for letter in value.chars() {
            match letter {
                '\\' => out.push_str("\\\\"),
                '"' => out.push_str("\\\""),
                '\n' => out.push_str("\\n"),
                other => out.push(other),
            }
        }
        out.push('"');
    }
    out
}

fn write_to(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _always = out.write_fmt(text);
}
