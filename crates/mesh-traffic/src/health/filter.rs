//! Requests that are health checks of this proxy itself, by `envoy.filters.http.health_check`.

use std::time::{Duration, Instant};

use mesh_http::RequestHead;
use mesh_model::Str;
use mesh_model::service::Health;
use parking_lot::Mutex;

use crate::config::Config;
use crate::matching::header::HeaderMatch;

/// By which a proxy says to which service it belongs, in answers to health checks.
pub const SERVICE: &str = "x-envoy-upstream-healthchecked-cluster";

/// Which requests are health checks, and who answers them.
#[derive(Debug)]
pub struct HealthFilter {
    pub(crate) headers: Vec<HeaderMatch>,
    pub(crate) kind: Who,
}

/// Who answers.
#[derive(Debug)]
pub(crate) enum Who {
    /// The application.
    Application,
    /// The application, and in the time after that we as it has.
    Cached {
        time: Duration,
        answered: Mutex<Option<(Instant, Stands)>>,
    },
    /// We, by how many per cent of the endpoints of these clusters are healthy.
    Clusters(Vec<(Str, f64)>),
}

/// What is answered to a health check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stands {
    /// The status.
    pub status: u16,
    /// Whether it says that we are degraded.
    pub degraded: bool,
}

impl HealthFilter {
    /// Whether a request is a health check.
    #[must_use]
    pub fn takes(&self, head: &RequestHead) -> bool {
        self.headers.iter().all(|header| header.matches(head))
    }

    /// What is answered here; `None` where the application is to answer. `failed`: an operator has said that we fail.
    #[must_use]
    pub fn answer(&self, failed: bool, config: &Config, now: Instant) -> Option<Stands> {
        let plain = |status| Stands {
            status,
            degraded: false,
        };
        if failed {
            return Some(plain(503));
        }
        match &self.kind {
            Who::Application => None,
            Who::Cached { time, answered } => {
                let (at, stands) = (*answered.lock())?;
                (now.saturating_duration_since(at) < *time).then_some(stands)
            }
            Who::Clusters(wanted) => {
                let suffices = |(name, percent): &(Str, f64)| suffices(config, name, *percent);
                let all = wanted.iter().all(suffices);
                Some(plain(if all { 200 } else { 503 }))
            }
        }
    }

    /// Takes note of what the application has answered.
    pub fn note(&self, stands: Stands, now: Instant) {
        if let Who::Cached { time, answered } = &self.kind {
            let mut answered = answered.lock();
            // What is answered from here is not good for longer by that.
            let is_good = |(at, _): &(Instant, Stands)| now.saturating_duration_since(*at) < *time;
            if !answered.as_ref().is_some_and(is_good) {
                *answered = Some((now, stands));
            }
        }
    }
}

/// Whether so many per cent of a cluster's endpoints are healthy; one that there is not has none.
fn suffices(config: &Config, name: &str, percent: f64) -> bool {
    let Some(cluster) = config.cluster(name) else {
        return false;
    };
    let endpoints = config.endpoints_of(cluster).map(|endpoints| &endpoints.all);
    let all = endpoints.map(Vec::as_slice).unwrap_or_default();
    let is_out = |address| {
        let detector = cluster.detector.as_ref();
        detector.is_some_and(|detector| detector.is_ejected(address))
    };
    let healthy = all.iter().filter(|one| one.health == Health::Healthy);
    let healthy = healthy.filter(|one| !is_out(one.address)).count();
    match all.len() {
        0 => percent <= 0.0,
        total => healthy as f64 >= total as f64 * percent / 100.0,
    }
}

/// Filters are the same that say the same.
impl PartialEq for HealthFilter {
    fn eq(&self, other: &Self) -> bool {
        let same = match (&self.kind, &other.kind) {
            (Who::Application, Who::Application) => true,
            (Who::Cached { time, .. }, Who::Cached { time: other, .. }) => time == other,
            (Who::Clusters(wanted), Who::Clusters(other)) => wanted == other,
            (Who::Application | Who::Cached { .. } | Who::Clusters(_), _) => false,
        };
        same && self.headers == other.headers
    }
}

impl Eq for HealthFilter {}

#[cfg(test)]
mod tests;
