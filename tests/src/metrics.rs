//! Reads a Prometheus page with a parser that is not ours.

use prometheus_parse::{Sample, Scrape, Value};

use crate::caller::fetch;

/// A scraped page.
#[derive(Debug)]
pub struct Metrics {
    /// Every sample.
    pub samples: Vec<Sample>,
}

impl Metrics {
    /// Scrapes a URL.
    pub async fn scrape(url: &str) -> Self {
        let (status, text) = fetch(url, &[]).await;
        assert_eq!(status, 200, "{url}: {text}");
        Self::parse(&text)
    }

    /// Reads a page.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let lines = text.lines().map(|line| Ok(line.to_owned()));
        let scrape = Scrape::parse(lines).expect("the page is Prometheus' text format");
        Self {
            samples: scrape.samples,
        }
    }

    /// Samples of a metric whose labels include all the given ones.
    pub fn of<'a>(
        &'a self,
        metric: &'a str,
        labels: &'a [(&'a str, &'a str)],
    ) -> impl Iterator<Item = &'a Sample> {
        self.samples.iter().filter(move |sample| {
            sample.metric == metric
                && labels
                    .iter()
                    .all(|(name, value)| sample.labels.get(name) == Some(value))
        })
    }

    /// The sum of a counter over all series whose labels include the given ones.
    #[must_use]
    pub fn sum(&self, metric: &str, labels: &[(&str, &str)]) -> u64 {
        let values = self.of(metric, labels).map(|sample| match sample.value {
            Value::Counter(value) | Value::Gauge(value) | Value::Untyped(value) => value,
            Value::Histogram(_) | Value::Summary(_) => 0.0,
        });
        values.sum::<f64>() as u64
    }
}
