//! Kubernetes' Services of type ExternalName that stand for others.
//!
//! Those for names outside of the mesh are nothing to it: calls go where DNS leads them, as calls of
//! any unknown host do.

use std::collections::BTreeMap;
use std::sync::Arc;

use mesh_api::kubernetes::Service;
use mesh_api::to_model::service_host;
use mesh_api::{Resource, ResourceSet};
use mesh_model::name::{Hostname, NamespacedName};

use super::Alias;

/// The aliases of services, by host.
pub(super) fn of(set: &ResourceSet, domain: &str) -> BTreeMap<Hostname, Alias> {
    let services = &set.services;
    // Most meshes have none, and then nobody has to be looked up.
    if !services.iter().any(|it| it.spec.is_external_name()) {
        return BTreeMap::new();
    }
    let by_host = services.iter().filter_map(|service| {
        let meta = &service.meta;
        let host = service_host(&meta.name, &meta.namespace, domain).ok()?;
        Some((host, service))
    });
    let by_host: BTreeMap<Hostname, &Arc<Resource<Service>>> = by_host.collect();
    let find = |host: &Hostname| by_host.get(host).map(|service| &service.spec);
    let alias = |(host, service): (&Hostname, &&Arc<Resource<Service>>)| {
        let name = NamespacedName {
            namespace: service.meta.namespace.clone(),
            name: service.meta.name.clone(),
        };
        let of = service.spec.alias_of(find)?;
        Some((host.clone(), Alias { name, of }))
    };
    by_host.iter().filter_map(alias).collect()
}
