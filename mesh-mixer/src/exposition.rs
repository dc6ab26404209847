//! The store as Prometheus reads it: the text format, version 0.0.4.

use std::fmt::Write as _;

use crate::metric::{Kind, Metric};
use crate::series::Key;
use crate::store::Store;

/// Prints every series.
#[must_use]
pub fn text(store: &Store) -> String {
    let mut out = String::new();
    let mut last = None;
    for (key, value) in store.readings() {
        let metric = value.metric();
        if last != Some(metric.name) {
            last = Some(metric.name);
            head(&mut out, metric);
        }
        match (value.counter(), value.histogram()) {
            (Some(count), _) => sample(&mut out, key, "", None, &count.to_string()),
            (None, Some(parts)) => histogram(&mut out, key, parts),
            (None, None) => {}
        }
    }
    out
}

fn head(out: &mut String, metric: &Metric) {
    let Metric { name, help, kind } = metric;
    line(out, format_args!("# HELP {name} {help}"));
    let kind = match kind {
        Kind::Counter => "counter",
        Kind::Histogram(_) => "histogram",
    };
    line(out, format_args!("# TYPE {name} {kind}"));
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
