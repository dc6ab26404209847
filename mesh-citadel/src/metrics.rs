//! Citadel's metrics, by the names that Istio's dashboards know.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

use crate::issue::IssueError;

/// All metrics of the process.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    /// `citadel_server_csr_count`
    pub(crate) requests: IntCounter,
    /// `citadel_server_authentication_failure_count`
    pub(crate) unauthenticated: IntCounter,
    /// `citadel_server_csr_parsing_err_count`
    pub(crate) bad_requests: IntCounter,
    /// `citadel_server_id_extraction_err_count`
    pub(crate) not_authorized: IntCounter,
    /// `citadel_server_csr_sign_err_count{error}`
    pub(crate) sign_errors: IntCounterVec,
    /// `citadel_server_success_cert_issuance_count`
    pub(crate) issued: IntCounter,
    /// `mesh_citadel_token_*`
    pub(crate) reviews: ReviewMetrics,
    /// `mesh_citadel_root_configmap*`
    pub(crate) publish: PublishMetrics,
    root_expiry: IntGauge,
    chain_expiry: IntGauge,
}

/// What became of a cluster's token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reviewed {
    /// It is an account's.
    Accepted,
    /// It is not.
    Refused,
    /// The API server was not asked: it is no token, or one that was refused a moment ago.
    Unasked,
    /// The API server was not asked, because there were too many to ask about.
    Limited,
    /// The API server did not say.
    Failed,
}

impl Reviewed {
    const ALL: [Self; 5] = [
        Self::Accepted,
        Self::Refused,
        Self::Unasked,
        Self::Limited,
        Self::Failed,
    ];

    const fn label(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Refused => "refused",
            Self::Unasked => "unasked",
            Self::Limited => "limited",
            Self::Failed => "failed",
        }
    }
}

/// The metrics of token reviews.
#[derive(Debug, Clone)]
pub(crate) struct ReviewMetrics {
    results: IntCounterVec,
    seconds: Histogram,
}

impl ReviewMetrics {
    fn new(registry: &Registry) -> prometheus::Result<Self> {
        let results = IntCounterVec::new(
            Opts::new(
                "mesh_citadel_token_reviews_total",
                "Tokens of a cluster that were shown, by what became of them",
            ),
            &["result"],
        )?;
        registry.register(Box::new(results.clone()))?;
        for result in Reviewed::ALL {
            results.with_label_values(&[result.label()]);
        }
        let seconds = Histogram::with_opts(HistogramOpts::new(
            "mesh_citadel_token_review_duration_seconds",
            "How long the API server took to review a token",
        ))?;
        registry.register(Box::new(seconds.clone()))?;
        Ok(Self { results, seconds })
    }

    pub(crate) fn count(&self, result: Reviewed) {
        self.results.with_label_values(&[result.label()]).inc();
    }

    #[cfg(test)]
    pub(crate) fn counted(&self, result: Reviewed) -> u64 {
        self.results.with_label_values(&[result.label()]).get()
    }

    pub(crate) fn took(&self, time: Duration) {
        self.seconds.observe(time.as_secs_f64());
    }
}

/// The metrics of the ConfigMaps with the roots.
#[derive(Debug, Clone)]
pub(crate) struct PublishMetrics {
    missing: IntGauge,
    writes: IntCounterVec,
}

impl PublishMetrics {
    fn new(registry: &Registry) -> prometheus::Result<Self> {
        let missing = IntGauge::new(
            "mesh_citadel_root_configmaps_missing",
            "Namespaces that lack the ConfigMap with the roots, or have another one",
        )?;
        registry.register(Box::new(missing.clone()))?;
        let writes = IntCounterVec::new(
            Opts::new(
                "mesh_citadel_root_configmap_writes_total",
                "Writes of ConfigMaps with the roots, by what became of them",
            ),
            &["result"],
        )?;
        registry.register(Box::new(writes.clone()))?;
        for result in ["written", "failed"] {
            writes.with_label_values(&[result]);
        }
        Ok(Self { missing, writes })
    }

    pub(crate) fn missing(&self, namespaces: usize) {
        self.missing
            .set(i64::try_from(namespaces).unwrap_or(i64::MAX));
    }

    pub(crate) fn wrote(&self, done: bool) {
        let result = if done { "written" } else { "failed" };
        self.writes.with_label_values(&[result]).inc();
    }
}

impl Metrics {
    pub(crate) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let counter = |name: &str, help: &str| -> prometheus::Result<IntCounter> {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok(counter)
        };
        let gauge = |name: &str, help: &str| -> prometheus::Result<IntGauge> {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok(gauge)
        };
        let sign_errors = IntCounterVec::new(
            Opts::new(
                "citadel_server_csr_sign_err_count",
                "Requests whose certificate could not be issued, by cause",
            ),
            &["error"],
        )?;
        registry.register(Box::new(sign_errors.clone()))?;
        // A series that begins with its first event cannot be told from one that is missing.
        for label in IssueError::LABELS {
            sign_errors.with_label_values(&[label]);
        }
        Ok(Self {
            requests: counter("citadel_server_csr_count", "Requests received")?,
            unauthenticated: counter(
                "citadel_server_authentication_failure_count",
                "Requests whose caller could not be authenticated",
            )?,
            bad_requests: counter(
                "citadel_server_csr_parsing_err_count",
                "Requests whose CSR was refused",
            )?,
            not_authorized: counter(
                "citadel_server_id_extraction_err_count",
                "Requests for an identity that is not the caller's",
            )?,
            sign_errors,
            reviews: ReviewMetrics::new(registry)?,
            publish: PublishMetrics::new(registry)?,
            issued: counter(
                "citadel_server_success_cert_issuance_count",
                "Certificates issued to callers",
            )?,
            root_expiry: gauge(
                "citadel_server_root_cert_expiry_timestamp",
                "When the first of the roots expires, in seconds since 1970",
            )?,
            chain_expiry: gauge(
                "citadel_server_cert_chain_expiry_timestamp",
                "When the signing certificate expires, in seconds since 1970",
            )?,
        })
    }

    pub(crate) fn set_expiries(&self, roots: SystemTime, signer: SystemTime) {
        self.root_expiry.set(seconds(roots));
        self.chain_expiry.set(seconds(signer));
    }
}

fn seconds(moment: SystemTime) -> i64 {
    let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
