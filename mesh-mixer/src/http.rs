//! What is served over HTTP: the mesh to scrapers and people, and the hub itself to its admin.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mesh_runtime::admin::{Admin, Page};
use mesh_runtime::metrics::CONTENT_TYPE;
use prometheus::Registry;

use crate::hub::Hub;

/// Whether the hub takes telemetry.
#[derive(Debug, Clone, Default)]
pub struct Ready(Arc<AtomicBool>);

impl Ready {
    /// It does from now on.
    pub fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// `/metrics` and `/graph` of the mesh.
#[must_use]
pub fn mesh(hub: &Hub) -> Admin {
    let (metrics, graph) = (hub.clone(), hub.clone());
    Admin::new()
        .open_page("/metrics", move |_| Page {
            status: 200,
            content_type: CONTENT_TYPE,
            body: metrics.metrics().into(),
        })
        .page("/graph", move |_| {
            match serde_json::to_value(graph.graph()) {
                Ok(graph) => Page::json(&graph),
                Err(error) => {
                    tracing::error!(%error, "graph could not be printed");
                    Page::text(500, "the graph could not be printed\n")
                }
            }
        })
}

/// `/healthz`, `/readyz` and the hub's own `/metrics`.
#[must_use]
pub fn admin(hub: &Hub, registry: Registry, ready: Ready) -> Admin {
    let hub = hub.clone();
    Admin::new()
        .open_page("/healthz", |_| Page::text(200, "ok\n"))
        .open_page("/readyz", move |_| {
            if ready.is_set() {
                Page::text(200, "ready\n")
            } else {
                Page::text(503, "no certificate yet\n")
            }
        })
        .open_page("/metrics", move |_| {
            hub.measure();
            Page::metrics(&registry)
        })
}

#[cfg(test)]
mod tests;
