//! What the webhooks count, under Istio's names.

use prometheus::{IntCounter, IntCounterVec, Opts, Registry};

use super::Hook;
use super::review::{Request, Verdict};

/// The counters of the webhooks.
#[derive(Debug, Clone)]
pub struct Metrics {
    asked: IntCounter,
    injected: IntCounter,
    skipped: IntCounter,
    failed: IntCounter,
    passed: IntCounterVec,
    refused: IntCounterVec,
    unreadable: IntCounter,
}

impl Metrics {
    /// Registers the counters.
    ///
    /// # Errors
    /// When `registry` has metrics of these names already.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let one = |name: &str, help: &str| -> Result<IntCounter, prometheus::Error> {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok(counter)
        };
        let several = |name: &str, help: &str, labels: &[&str]| {
            let counters = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(counters.clone()))?;
            Ok::<_, prometheus::Error>(counters)
        };
        Ok(Self {
            asked: one(
                "sidecar_injection_requests_total",
                "Pods that were asked about",
            )?,
            injected: one("sidecar_injection_success_total", "Pods that got a sidecar")?,
            skipped: one("sidecar_injection_skip_total", "Pods that are to have none")?,
            failed: one(
                "sidecar_injection_failure_total",
                "Pods and reviews that could not be dealt with",
            )?,
            passed: several(
                "galley_validation_passed",
                "Configuration that was let in",
                &["group", "version", "resource"],
            )?,
            refused: several(
                "galley_validation_failed",
                "Configuration that was refused",
                &["group", "version", "resource", "reason"],
            )?,
            unreadable: one(
                "galley_validation_http_error",
                "Requests for validation that could not be read",
            )?,
        })
    }

    pub(super) fn injected(&self, verdict: &Verdict) {
        self.asked.inc();
        match (&verdict.refused, verdict.patch.is_empty()) {
            (Some(_), _) => self.failed.inc(),
            (None, true) => self.skipped.inc(),
            (None, false) => self.injected.inc(),
        }
    }

    pub(super) fn validated(&self, request: &Request, verdict: &Verdict) {
        let kind = &request.kind;
        let labels = [&*kind.group, &*kind.version, &*kind.kind];
        match &verdict.refused {
            None => self.passed.with_label_values(&labels).inc(),
            Some(refusal) => {
                let [group, version, resource] = labels;
                let labels = [group, version, resource, refusal.reason];
                self.refused.with_label_values(&labels).inc();
            }
        }
    }

    pub(super) fn unreadable(&self, hook: Hook) {
        match hook {
            Hook::Inject => self.failed.inc(),
            Hook::Validate => self.unreadable.inc(),
        }
    }
}
