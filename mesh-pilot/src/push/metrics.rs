//! What pilot counts, under Istio's names.

use std::time::Duration;

use mesh_model::service::Health;
use mesh_xds::Kind;
use prometheus::{Histogram, HistogramOpts, IntCounterVec, IntGauge, Opts, Registry};

use crate::snapshot::World;

/// Bounds of the histograms in seconds.
const SECONDS: [f64; 8] = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0];

/// The counters of pushes.
#[derive(Debug, Clone)]
pub struct Metrics {
    pushes: IntCounterVec,
    triggers: IntCounterVec,
    build_time: Histogram,
    push_time: Histogram,
    services: IntGauge,
    virtual_services: IntGauge,
    not_ready: IntGauge,
    no_instances: IntGauge,
}

/// Why something is pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Push {
    /// The configuration or the registry changed.
    Configuration,
    /// A proxy connected.
    Proxy,
}

impl Metrics {
    /// Registers the counters.
    ///
    /// # Errors
    /// When `registry` has metrics of these names already.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let made = Self {
            pushes: counters("pilot_xds_pushes", "Changes published for proxies", "type")?,
            triggers: counters("pilot_push_triggers", "What caused pushes", "type")?,
            build_time: histogram(
                "pilot_pushcontext_init_seconds",
                "Time to make a snapshot of the configuration",
            )?,
            push_time: histogram("pilot_xds_push_time", "Time to publish for every proxy")?,
            services: gauge("pilot_services", "Services known")?,
            virtual_services: gauge("pilot_virt_services", "VirtualServices in force")?,
            not_ready: gauge("pilot_endpoint_not_ready", "Endpoints that are not ready")?,
            no_instances: gauge("pilot_eds_no_instances", "Services without endpoints")?,
        };
        registry.register(Box::new(made.pushes.clone()))?;
        registry.register(Box::new(made.triggers.clone()))?;
        registry.register(Box::new(made.build_time.clone()))?;
        registry.register(Box::new(made.push_time.clone()))?;
        for one in [
            &made.services,
            &made.virtual_services,
            &made.not_ready,
            &made.no_instances,
        ] {
            registry.register(Box::new(one.clone()))?;
        }
        Ok(made)
    }

    pub(super) fn triggered(&self, why: Push) {
        let name = match why {
            Push::Configuration => "config",
            Push::Proxy => "proxyrequest",
        };
        self.triggers.with_label_values(&[name]).inc();
    }

    pub(super) fn sent(&self, type_url: &str) {
        let name = Kind::of(type_url).map_or("other", short_name);
        self.pushes.with_label_values(&[name]).inc();
    }

    pub(super) fn pushed(&self, took: Duration) {
        self.push_time.observe(took.as_secs_f64());
    }

    pub(super) fn built(&self, world: &World, took: Duration) {
        self.build_time.observe(took.as_secs_f64());
        let services = || world.registry.services.values();
        let not_ready = services()
            .flat_map(|service| &service.endpoints)
            .filter(|known| known.endpoint.health != Health::Healthy)
            .count();
        let empty = services().filter(|s| s.endpoints.is_empty()).count();
        set(&self.services, services().count());
        set(&self.virtual_services, world.virtual_services());
        set(&self.not_ready, not_ready);
        set(&self.no_instances, empty);
    }
}

/// Istio's word for a type, as in `pilot_xds_pushes{type="cds"}`.
fn short_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Cluster => "cds",
        Kind::Endpoint => "eds",
        Kind::Listener => "lds",
        Kind::Route => "rds",
        Kind::Secret => "sds",
    }
}

fn set(gauge: &IntGauge, value: usize) {
    gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
}

fn counters(name: &str, help: &str, label: &str) -> Result<IntCounterVec, prometheus::Error> {
    IntCounterVec::new(Opts::new(name, help), &[label])
}

fn gauge(name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
    IntGauge::new(name, help)
}

fn histogram(name: &str, help: &str) -> Result<Histogram, prometheus::Error> {
    Histogram::with_opts(HistogramOpts::new(name, help).buckets(SECONDS.to_vec()))
}
