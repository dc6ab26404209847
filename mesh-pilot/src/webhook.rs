//! The admission webhooks: sidecars into pods as they are created (`/inject`), and the checks of
//! `meshctl apply` before the API server takes configuration (`/validate`).
//!
//! Judging is pure; `serve` brings reviews here over TLS.

mod inject;
mod live;
mod metrics;
mod review;
mod serve;
mod validate;

use std::sync::Arc;

use mesh_runtime::admin::Page;
use mesh_source::Snapshot;
use tokio::sync::watch;

pub use live::{BadFile, InjectorFiles, LiveInjector};
pub use metrics::Metrics;
use review::{Request, Review};
pub use serve::Server;

/// What the webhooks judge by.
pub struct Webhooks {
    /// What is injected; without it no pod is.
    pub injector: LiveInjector,
    /// The configuration that is in force, with which new objects are looked at.
    pub source: watch::Receiver<Arc<Snapshot>>,
    /// DNS suffix of services.
    pub domain: String,
    /// What is counted.
    pub metrics: Metrics,
}

/// Which webhook a path belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hook {
    /// Sidecars into pods.
    Inject,
    /// Checks of configuration.
    Validate,
}

impl Hook {
    /// Istio's paths: `/inject` and `/validate`, either with more behind it.
    pub(crate) fn of(path: &str) -> Option<Self> {
        let first = path.strip_prefix('/')?.split('/').next()?;
        match first {
            "inject" => Some(Self::Inject),
            "validate" => Some(Self::Validate),
            _ => None,
        }
    }
}

impl Webhooks {
    /// Answers an AdmissionReview.
    pub(crate) fn answer(&self, hook: Hook, body: &[u8]) -> Page {
        let review = match Review::read(body) {
            Ok(review) => review,
            Err(why) => {
                self.metrics.unreadable(hook);
                return Page::text(400, format!("{why}\n"));
            }
        };
        let request = &review.request;
        let verdict = match hook {
            Hook::Inject => self.inject(request),
            Hook::Validate => self.validate(request),
        };
        Page {
            status: 200,
            content_type: "application/json",
            body: review.answer(&verdict).to_string().into(),
        }
    }

    fn inject(&self, request: &Request) -> review::Verdict {
        let verdict = inject::judge(request, &self.injector.current());
        self.metrics.injected(&verdict);
        verdict
    }

    fn validate(&self, request: &Request) -> review::Verdict {
        let resources = self.source.borrow().resources.clone();
        let verdict = validate::judge(request, &resources, &self.domain);
        self.metrics.validated(request, &verdict);
        verdict
    }
}
