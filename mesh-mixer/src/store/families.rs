//! The kind of each metric, so that no two series of one name contradict each other in a scrape.

use ahash::AHashMap;

use super::Refusal;
use super::value::Kind;

/// What Prometheus writes behind the name of a histogram.
const SUFFIXES: [&str; 3] = ["_bucket", "_count", "_sum"];

/// Metrics that have series with values.
#[derive(Debug, Default)]
pub(super) struct Families(AHashMap<Box<str>, (Kind, usize)>);

impl Families {
    /// Whether a series of this kind may have this name.
    pub(super) fn check(&self, metric: &str, kind: Kind) -> Result<(), Refusal> {
        let agrees = self.kind(metric).is_none_or(|known| known == kind);
        if agrees && !self.is_part_of_histogram(metric) && !self.would_swallow(metric, kind) {
            return Ok(());
        }
        Err(Refusal::Kind)
    }

    pub(super) fn count(&mut self, metric: &str, kind: Kind) {
        if let Some((_, series)) = self.0.get_mut(metric) {
            *series += 1;
            return;
        }
        self.0.insert(metric.into(), (kind, 1));
    }

    pub(super) fn forget(&mut self, metric: &str) {
        let Some((_, series)) = self.0.get_mut(metric) else {
            return;
        };
        *series = series.saturating_sub(1);
        if *series == 0 {
            self.0.remove(metric);
        }
    }

    fn kind(&self, metric: &str) -> Option<Kind> {
        self.0.get(metric).map(|(kind, _)| *kind)
    }

    fn is_part_of_histogram(&self, metric: &str) -> bool {
        let mut stems = SUFFIXES.iter().filter_map(|end| metric.strip_suffix(end));
        stems.any(|stem| self.kind(stem) == Some(Kind::Histogram))
    }

    fn would_swallow(&self, metric: &str, kind: Kind) -> bool {
        let mut names = SUFFIXES.iter().map(|end| format!("{metric}{end}"));
        kind == Kind::Histogram && names.any(|name| self.0.contains_key(name.as_str()))
    }
}
