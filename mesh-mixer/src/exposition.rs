//! The store as Prometheus reads it: the text format, version 0.0.4.

use std::fmt::Write as _;

use crate::series::Key;
use crate::store::{Store, Value};

/// What the metrics that proxies report are about.
const HELP: [(&str, &str); 8] = [
    ("istio_requests_total", "Requests that were completed"),
    (
        "istio_request_duration_milliseconds",
        "Time from a request's first byte to its answer's last, in milliseconds",
    ),
    ("istio_request_bytes", "Bytes of requests, headers included"),
    ("istio_response_bytes", "Bytes of answers, headers included"),
    (
        "istio_tcp_connections_opened_total",
        "TCP connections opened",
    ),
    (
        "istio_tcp_connections_closed_total",
        "TCP connections closed",
    ),
    ("istio_tcp_sent_bytes_total", "Bytes sent to TCP clients"),
    (
        "istio_tcp_received_bytes_total",
        "Bytes received from TCP clients",
    ),
];

/// Prints every series.
#[must_use]
pub fn text(store: &Store) -> String {
    let mut out = String::new();
    let mut metric = String::new();
    for (key, value) in store.readings() {
        if key.metric() != metric {
            key.metric().clone_into(&mut metric);
            head(&mut out, &metric, value);
        }
        match (value.counter(), value.histogram()) {
            (Some(count), _) => sample(&mut out, key, "", None, &count.to_string()),
            (None, Some(parts)) => histogram(&mut out, key, parts),
            (None, None) => {}
        }
    }
    out
}

fn head(out: &mut String, metric: &str, value: &Value) {
    if let Some((_, help)) = HELP.iter().find(|(name, _)| *name == metric) {
        line(out, format_args!("# HELP {metric} {help}"));
    }
    let kind = match value.counter() {
        Some(_) => "counter",
        None => "histogram",
    };
    line(out, format_args!("# TYPE {metric} {kind}"));
}

fn histogram(out: &mut String, key: &Key, (bounds, buckets, sum): (&[f64], &[u64], f64)) {
    let mut below = 0_u64;
    let bounds = bounds.iter().map(|bound| number(*bound));
    for (bound, count) in bounds.chain(["+Inf".to_owned()]).zip(buckets) {
        below = below.saturating_add(*count);
        sample(out, key, "_bucket", Some(&bound), &below.to_string());
    }
    sample(out, key, "_sum", None, &number(sum));
    sample(out, key, "_count", None, &below.to_string());
}

/// One line: `metric<suffix>{labels,le="bound"} value`.
fn sample(out: &mut String, key: &Key, suffix: &str, bound: Option<&str>, value: &str) {
    out.push_str(key.metric());
    out.push_str(suffix);
    let mut before = '{';
    for (name, text) in key.labels().chain(bound.map(|bound| ("le", bound))) {
        out.push(before);
        before = ',';
        out.push_str(name);
        out.push_str("=\"");
        escape(out, text);
        out.push('"');
    }
    if before == ',' {
        out.push('}');
    }
    out.push(' ');
    out.push_str(value);
    out.push('\n');
}

fn escape(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            other => out.push(other),
        }
    }
}

fn number(value: f64) -> String {
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    value.to_string()
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _infallible = writeln!(out, "{text}");
}

#[cfg(test)]
mod tests;
