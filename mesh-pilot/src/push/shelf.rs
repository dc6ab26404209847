//! What was packed for services, kept for as long as they are as they were.
//!
//! Most of a proxy's configuration tells of services what every other proxy is told, and a change
//! concerns few of them. So a service is translated and packed once: for all proxies, and until it changes.

use std::collections::HashMap;
use std::sync::Arc;

use mesh_xds::Resource;

use crate::push::pack::{self, ByType};
use crate::snapshot::view::{Software, View, VisibleService};
use crate::translate;
use crate::translate::locality::Standpoint;

/// Packed services of one mesh.
#[derive(Default)]
pub struct Shelf {
    services: HashMap<Key, Entry>,
}

/// Where the service is in memory, what software asks, whether it is a library, whether its clients choose the endpoint,
/// and where the proxy is if that counts: of what holds for a proxy alone, its resources depend on nothing else.
type Key = (usize, Software, bool, bool, Option<Standpoint>);

struct Entry {
    /// Keeps its place in memory from being another's.
    service: Arc<VisibleService>,
    packed: Vec<(&'static str, Vec<(String, Resource)>)>,
}

impl Shelf {
    /// Adds what a proxy is told of all services that it may call.
    pub(super) fn add_services(&mut self, view: &View, out: &mut ByType) {
        for service in view.services.iter() {
            for (kind, packed) in &self.entry(view, service).packed {
                let of_type = out.entry(*kind).or_default();
                of_type.extend(packed.iter().cloned());
            }
        }
    }

    fn entry(&mut self, view: &View, service: &Arc<VisibleService>) -> &Entry {
        let place = Arc::as_ptr(service).addr();
        let key = (
            place,
            view.software,
            view.is_proxyless(),
            view.is_chosen_by_client(&service.service),
            translate::locality::standpoint(view, service),
        );
        self.services.entry(key).or_insert_with(|| {
            let made = pack::resources(&translate::of_service(view, service));
            let packed = made
                .into_iter()
                .filter(|(_, packed)| !packed.is_empty())
                .map(|(kind, packed)| (kind, packed.into_iter().collect()));
            Entry {
                service: service.clone(),
                packed: packed.collect(),
            }
        })
    }

    /// Forgets services that nobody else has any more.
    pub fn sweep(&mut self) {
        self.services
            .retain(|_, entry| Arc::strong_count(&entry.service) > 1);
    }
}

#[cfg(test)]
mod tests;
