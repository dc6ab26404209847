//! What one end reports about one edge, added up.

use super::latency::Histogram;
use super::{DURATION, UNKNOWN};
use crate::series::Key;
use crate::store::Reading;

/// The gRPC statuses that are the server's fault, those that map to 5xx: unknown, deadline
/// exceeded, unimplemented, internal, unavailable, data loss.
const GRPC_ERRORS: [&str; 6] = ["2", "4", "12", "13", "14", "15"];

/// Counts of requests, in all and within the window.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) total: u64,
    pub(super) lately: u64,
    pub(super) latency: Histogram,
    errors_lately: u64,
    insecure_total: u64,
    insecure_lately: u64,
}

impl Tally {
    pub(super) fn add(&mut self, key: &Key, reading: &Reading) {
        if key.metric() == DURATION {
            self.latency.add(reading.bounds, &reading.lately);
            return;
        }
        let total = reading.total.first().copied().unwrap_or(0);
        let lately = reading.lately.first().copied().unwrap_or(0);
        self.total = self.total.saturating_add(total);
        self.lately = self.lately.saturating_add(lately);
        if is_error(key) {
            self.errors_lately = self.errors_lately.saturating_add(lately);
        }
        if !is_secure(key) {
            self.insecure_total = self.insecure_total.saturating_add(total);
            self.insecure_lately = self.insecure_lately.saturating_add(lately);
        }
    }

    pub(super) fn is_counted(&self) -> bool {
        self.total > 0
    }

    pub(super) fn is_lively(&self) -> bool {
        self.lately > 0
    }

    pub(super) fn error_share(&self) -> f64 {
        if self.lately == 0 {
            return 0.0;
        }
        self.errors_lately as f64 / self.lately as f64
    }

    /// Whether all requests of the window, or all there ever were when it is empty, came by
    /// mutual TLS.
    pub(super) fn is_secure(&self) -> bool {
        match self.lately {
            0 => self.total > 0 && self.insecure_total == 0,
            _ => self.insecure_lately == 0,
        }
    }
}

/// 5xx, or no answer at all, or a gRPC status that is the server's fault.
fn is_error(key: &Key) -> bool {
    let status = key.label("grpc_response_status").unwrap_or_default();
    let code = key.label("response_code").unwrap_or_default();
    let no_answer = code == "0";
    no_answer || (code.len() == 3 && code.starts_with('5')) || GRPC_ERRORS.contains(&status)
}

/// The server's proxy says how a request came; the client's says only whom it verified.
fn is_secure(key: &Key) -> bool {
    let verified = |label: &str| {
        let principal = key.label(label).unwrap_or(UNKNOWN);
        principal.starts_with("spiffe://")
    };
    match key.label("connection_security_policy") {
        Some("mutual_tls") => true,
        Some("none") => false,
        _ => verified("source_principal") && verified("destination_principal"),
    }
}
