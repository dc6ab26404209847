//! The pages of the admin port: how the configuration stands, and who holds what of it.

mod config_status;
mod gauges;
mod syncz;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mesh_runtime::admin::{Admin, Page};
use mesh_source::Snapshot;
use mesh_xds::server::Hub;
use prometheus::Registry;
use tokio::sync::watch;

use crate::push::Fleet;
use gauges::Gauges;

/// What the pages are made from. Clones share everything.
#[derive(Clone)]
pub struct Debug(Arc<Inner>);

struct Inner {
    fleet: Arc<Fleet>,
    hub: Hub,
    source: watch::Receiver<Arc<Snapshot>>,
    serving: AtomicBool,
    gauges: Gauges,
    registry: Registry,
}

impl Debug {
    /// Pages about these.
    ///
    /// # Errors
    /// When `registry` has metrics of the same names already.
    pub fn new(
        fleet: Arc<Fleet>,
        hub: Hub,
        source: watch::Receiver<Arc<Snapshot>>,
        registry: &Registry,
    ) -> Result<Self, prometheus::Error> {
        Ok(Self(Arc::new(Inner {
            fleet,
            hub,
            source,
            serving: AtomicBool::new(false),
            gauges: Gauges::new(registry)?,
            registry: registry.clone(),
        })))
    }

    /// Proxies are served from now on.
    pub fn serving(&self) {
        self.0.serving.store(true, Ordering::Release);
    }

    /// The pages.
    #[must_use]
    pub fn pages(&self) -> Admin {
        let with = |page: fn(&Inner) -> Page| {
            let inner = self.0.clone();
            move |_: &mesh_runtime::admin::Query| page(&inner)
        };
        Admin::new()
            .open_page("/healthz", |_| Page::text(200, "ok\n"))
            .open_page("/readyz", with(Inner::ready))
            .open_page("/metrics", with(Inner::metrics))
            .page("/debug/syncz", with(Inner::syncz))
            .page("/debug/config_status", with(Inner::config_status))
    }
}

impl Inner {
    /// Ready means that a proxy that connects is let in, if it may be.
    fn ready(&self) -> Page {
        if self.fleet.world().is_none() {
            return Page::text(503, "the configuration is not read yet\n");
        }
        if !self.serving.load(Ordering::Acquire) {
            return Page::text(503, "no certificate yet\n");
        }
        Page::text(200, "ready\n")
    }

    fn metrics(&self) -> Page {
        self.gauges.set(&self.hub.status(), &self.source.borrow());
        Page::metrics(&self.registry)
    }

    fn syncz(&self) -> Page {
        Page::json(&syncz::page(&self.hub.status()))
    }

    fn config_status(&self) -> Page {
        let snapshot = self.source.borrow().clone();
        let world = self.fleet.world();
        let found = world.as_ref().map(|world| &*world.diagnostics);
        let page = config_status::page(&snapshot, found.unwrap_or_default(), &self.hub.status());
        Page::json(&page)
    }
}
