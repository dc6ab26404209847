//! One page of two: our metrics and the application's, in the form that the application chose. Pure.

use bytes::Bytes;
use http::HeaderValue;

/// The content type of Prometheus' text.
const TEXT: &str = mesh_runtime::metrics::CONTENT_TYPE;
/// What ends a page of OpenMetrics.
const END: &str = "# EOF\n";

/// A form of metrics of which pages can be put one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// Prometheus' text format 0.0.4.
    Text,
    /// OpenMetrics 1.0.0.
    OpenMetrics1,
    /// OpenMetrics 0.0.1.
    OpenMetrics0,
}

impl Format {
    /// The form that a content type names; nothing when its pages cannot be merged.
    pub(crate) fn of(content_type: Option<&HeaderValue>) -> Option<Self> {
        let Some(content_type) = content_type else {
            return Some(Self::Text);
        };
        let content_type = content_type.to_str().ok()?.to_ascii_lowercase();
        let mut parts = content_type.split(';').map(str::trim);
        match parts.next()? {
            "application/openmetrics-text" => {
                let mut versions = parts.filter_map(|part| part.strip_prefix("version="));
                Some(match versions.next().map(|v| v.trim_matches('"')) {
                    None | Some("0.0.1") => Self::OpenMetrics0,
                    Some(_) => Self::OpenMetrics1,
                })
            }
            // Exporters that name any kind of text mean Prometheus'.
            form if form.is_empty() || form.starts_with("text/") => Some(Self::Text),
            _ => None,
        }
    }

    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Text => TEXT,
            Self::OpenMetrics1 => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::OpenMetrics0 => "application/openmetrics-text; version=0.0.1; charset=utf-8",
        }
    }
}

/// Puts the application's page behind ours, which is Prometheus' text.
pub(crate) fn merge(own: String, format: Format, mut applications: Vec<u8>) -> Vec<Bytes> {
    let mut pages = Vec::with_capacity(3);
    match format {
        Format::Text => pages.push(own.into()),
        Format::OpenMetrics1 | Format::OpenMetrics0 => {
            pages.push(as_open_metrics(&own).into());
            // The end of all of it comes after both.
            let said = applications.trim_ascii_end();
            let kept = said.strip_suffix(END.trim_end().as_bytes());
            if let Some(kept) = kept.map(<[u8]>::len) {
                applications.truncate(kept);
            }
        }
    }
    if !applications.is_empty() && !applications.ends_with(b"\n") {
        applications.push(b'\n');
    }
    pages.push(applications.into());
    if format != Format::Text {
        pages.push(END.into());
    }
    pages
}

/// The same metrics in OpenMetrics, where a counter's family lacks the `_total` of its sample.
fn as_open_metrics(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 16);
    let mut help: Option<(&str, &str)> = None;
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            // Written with the type, which says what the family is called.
            help = rest.split_once(' ');
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap_or((rest, "untyped"));
            let (family, kind) = match (name.strip_suffix("_total"), kind) {
                (Some(family), "counter") => (family, kind),
                // Not a counter to OpenMetrics, whose samples must have that suffix.
                (None, "counter") | (_, "untyped") => (name, "unknown"),
                (_, kind) => (name, kind),
            };
            if let Some((_, text)) = help.take().filter(|(of, _)| *of == name) {
                let text = text.replace('"', "\\\"");
                out.push_str(&format!("# HELP {family} {text}\n"));
            }
            out.push_str(&format!("# TYPE {family} {kind}\n"));
        } else if !line.starts_with('#') {
            push_sample(&mut out, line);
        }
    }
    out
}

/// A sample; OpenMetrics wants whole numbers among the bounds of buckets with a point.
fn push_sample(out: &mut String, line: &str) {
    const BOUND: &str = "le=\"";
    let bound = line.find(BOUND).and_then(|start| {
        let (before, rest) = line.split_at_checked(start + BOUND.len())?;
        let (bound, after) = rest.split_once('"')?;
        let whole = bound.bytes().all(|byte| byte.is_ascii_digit());
        (whole && !bound.is_empty()).then_some((before, bound, after))
    });
    match bound {
        Some((before, bound, after)) => {
            out.push_str(&format!("{before}{bound}.0\"{after}\n"));
        }
        None => {
            out.push_str(line);
            out.push('\n');
        }
    }
}

#[cfg(test)]
mod tests;
