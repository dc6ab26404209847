//! The name of a series: metric and labels, checked once, kept in one piece of memory.

use std::fmt;
use std::sync::Arc;

use mesh_proto::telemetry::Series as Declared;

/// Longest metric name in bytes.
const MAX_METRIC: usize = 128;
/// Most labels of one series; Istio's request metrics have 27.
const MAX_LABELS: usize = 64;
/// Longest label name in bytes.
const MAX_LABEL_NAME: usize = 128;
/// Longest label value in bytes; a SPIFFE ID of Kubernetes names fits.
const MAX_LABEL_VALUE: usize = 1024;
/// Longest series in bytes, all names and values together.
const MAX_KEY: usize = 16 * 1024;
/// Between the parts of a key; no name or value contains it.
const SEPARATOR: char = '\0';

/// Metric name and labels.
///
/// Invariant: `metric NUL name NUL value NUL name NUL value ...`, the names in order and none
/// twice, so that equal series are equal text, and the series of one metric lie side by side.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key(Arc<str>);

/// Why a series cannot be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Not `[a-zA-Z_:][a-zA-Z0-9_:]*`, or longer than 128 bytes.
    #[error("the metric name is none that Prometheus takes")]
    Metric,
    /// Not `[a-zA-Z_][a-zA-Z0-9_]*`, longer than 128 bytes, or one that Prometheus keeps for itself.
    #[error("a label name is none that Prometheus takes")]
    LabelName,
    /// A label is there twice.
    #[error("a label is there twice")]
    LabelTwice,
    /// A value has a NUL or more than 1024 bytes.
    #[error("a label value is too long or has a NUL")]
    LabelValue,
    /// More than 64 labels, or more than 16 KiB.
    #[error("there are too many labels")]
    TooLarge,
}

impl Key {
    /// Checks what a proxy declared.
    ///
    /// # Errors
    /// The first broken rule.
    pub fn of_declared(declared: &Declared) -> Result<Self, Unusable> {
        let labels = declared.labels.iter();
        let pairs = labels.map(|label| (label.name.as_str(), label.value.as_str()));
        Self::new(&declared.metric, pairs)
    }

    /// Joins a metric's name and labels in any order.
    ///
    /// # Errors
    /// The first broken rule.
    pub fn new<'a>(
        metric: &str,
        labels: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, Unusable> {
        if metric.len() > MAX_METRIC || !is_name(metric, true) {
            return Err(Unusable::Metric);
        }
        let mut labels: Vec<_> = labels.into_iter().take(MAX_LABELS + 1).collect();
        if labels.len() > MAX_LABELS {
            return Err(Unusable::TooLarge);
        }
        labels.sort_unstable();
        let mut text = String::from(metric);
        let mut previous = "";
        for (name, value) in labels {
            check_label(previous, name, value)?;
            for part in [name, value] {
                text.push(SEPARATOR);
                text.push_str(part);
            }
            previous = name;
        }
        if text.len() > MAX_KEY {
            return Err(Unusable::TooLarge);
        }
        Ok(Self(text.into()))
    }

    /// The metric's name.
    #[must_use]
    pub fn metric(&self) -> &str {
        self.0.split(SEPARATOR).next().unwrap_or_default()
    }

    /// The labels in the order of their names.
    pub fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut parts = self.0.split(SEPARATOR).skip(1);
        std::iter::from_fn(move || Some((parts.next()?, parts.next()?)))
    }

    /// The value of a label.
    #[must_use]
    pub fn label(&self, name: &str) -> Option<&str> {
        let mut labels = self.labels();
        labels.find(|(found, _)| *found == name).map(|(_, v)| v)
    }

    /// Bytes that the key takes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.0.len()
    }

    /// Whether anybody beside the holder of this one holds the key.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.metric())?;
        f.debug_map().entries(self.labels()).finish()
    }
}

fn check_label(previous: &str, name: &str, value: &str) -> Result<(), Unusable> {
    // `le` is how Prometheus writes a histogram's bounds, `__...` are its own.
    let reserved = name == "le" || name.starts_with("__");
    if name.len() > MAX_LABEL_NAME || reserved || !is_name(name, false) {
        return Err(Unusable::LabelName);
    }
    if name == previous {
        return Err(Unusable::LabelTwice);
    }
    if value.len() > MAX_LABEL_VALUE || value.contains(SEPARATOR) {
        return Err(Unusable::LabelValue);
    }
    Ok(())
}

fn is_name(text: &str, colon: bool) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || (colon && b == b':');
    let first = text.bytes().next();
    first.is_some_and(|b| inner(b) && !b.is_ascii_digit()) && text.bytes().all(inner)
}

#[cfg(test)]
mod tests;
