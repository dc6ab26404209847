//! Whether citadel can be asked, and if not, what it waits for.

use std::sync::Arc;

use mesh_runtime::admin::{Admin, Page};
use parking_lot::Mutex;
use prometheus::Registry;

/// How citadel stands. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Health(Arc<Mutex<Standing>>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Standing {
    Starting(String),
    Ready,
    Stopping,
}

impl Health {
    /// Not ready yet.
    pub(crate) fn new() -> Self {
        let standing = Standing::Starting("starting".to_owned());
        Self(Arc::new(Mutex::new(standing)))
    }

    /// Says what is waited for.
    pub(crate) fn starting(&self, what: String) {
        *self.0.lock() = Standing::Starting(what);
    }

    /// Certificates can be asked for.
    pub(crate) fn ready(&self) {
        *self.0.lock() = Standing::Ready;
    }

    /// No more.
    pub(crate) fn stopping(&self) {
        *self.0.lock() = Standing::Stopping;
    }

    fn page(&self) -> Page {
        match &*self.0.lock() {
            Standing::Ready => Page::text(200, "ok\n"),
            Standing::Starting(what) => Page::text(503, format!("{what}\n")),
            Standing::Stopping => Page::text(503, "stopping\n"),
        }
    }

    /// The pages of the process.
    pub(crate) fn pages(self, registry: Registry) -> Admin {
        Admin::new()
            .open_page("/healthz", |_| Page::text(200, "ok\n"))
            .open_page("/readyz", move |_| self.page())
            .open_page("/metrics", move |_| Page::metrics(&registry))
    }
}
