//! Citadel's metrics, by the names that Istio's dashboards know.

use std::time::{SystemTime, UNIX_EPOCH};

use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};

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
    root_expiry: IntGauge,
    chain_expiry: IntGauge,
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
