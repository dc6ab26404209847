//! What the hub says of itself on its admin port.

use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};

use crate::store::{Counted, Refusal, Store};

/// The counters of one hub; docs/graph.md lists them.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    pub(crate) batches_counted: IntCounter,
    batches_duplicate: IntCounter,
    pub(crate) batches_refused: IntCounter,
    batches_skipped: IntCounter,
    deltas_refused: IntCounterVec,
    series_refused: IntCounterVec,
    series: IntGauge,
    series_bytes: IntGauge,
    instances: IntGauge,
    streams: IntGauge,
}

impl Metrics {
    /// Makes and registers them.
    pub(crate) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let batches = IntCounterVec::new(
            Opts::new(
                "mesh_mixer_batches_total",
                "Batches of telemetry by what became of them",
            ),
            &["result"],
        )?;
        let metrics = Self {
            batches_counted: batches.with_label_values(&["counted"]),
            batches_duplicate: batches.with_label_values(&["duplicate"]),
            batches_refused: batches.with_label_values(&["refused"]),
            batches_skipped: batches.with_label_values(&["never_sent"]),
            deltas_refused: IntCounterVec::new(
                Opts::new(
                    "mesh_mixer_refused_deltas_total",
                    "Deltas left out, by reason",
                ),
                &["reason"],
            )?,
            series_refused: IntCounterVec::new(
                Opts::new(
                    "mesh_mixer_refused_series_total",
                    "Declared series that were not taken, by reason",
                ),
                &["reason"],
            )?,
            series: IntGauge::new("mesh_mixer_series", "Series of the mesh")?,
            series_bytes: IntGauge::new("mesh_mixer_series_bytes", "Bytes that the series take")?,
            instances: IntGauge::new("mesh_mixer_instances", "Lives of proxies remembered")?,
            streams: IntGauge::new("mesh_mixer_streams", "Telemetry streams open")?,
        };
        for reason in Refusal::OF_SERIES {
            metrics.series_refused.with_label_values(&[reason.word()]);
        }
        for reason in Refusal::OF_DELTAS {
            metrics.deltas_refused.with_label_values(&[reason.word()]);
        }
        registry.register(Box::new(batches))?;
        registry.register(Box::new(metrics.deltas_refused.clone()))?;
        registry.register(Box::new(metrics.series_refused.clone()))?;
        for gauge in [
            &metrics.series,
            &metrics.series_bytes,
            &metrics.instances,
            &metrics.streams,
        ] {
            registry.register(Box::new(gauge.clone()))?;
        }
        Ok(metrics)
    }

    /// Counts what became of a batch.
    pub(crate) fn batch(&self, counted: &Counted) {
        let Counted {
            acknowledged: _,
            duplicate,
            skipped,
            refused,
        } = counted;
        if *duplicate {
            self.batches_duplicate.inc();
        } else {
            self.batches_counted.inc();
        }
        self.batches_skipped.inc_by(*skipped);
        for reason in refused {
            self.deltas_refused
                .with_label_values(&[reason.word()])
                .inc();
        }
    }

    /// Counts a series that was declared and not taken.
    pub(crate) fn series_refused(&self, reason: Refusal) {
        self.series_refused
            .with_label_values(&[reason.word()])
            .inc();
    }

    /// Takes over the store's sizes.
    pub(crate) fn sizes(&self, store: &Store) {
        let number = |size: usize| i64::try_from(size).unwrap_or(i64::MAX);
        self.series.set(number(store.series()));
        self.series_bytes.set(number(store.bytes()));
        self.instances.set(number(store.instances()));
        self.streams.set(number(store.streams()));
    }
}
