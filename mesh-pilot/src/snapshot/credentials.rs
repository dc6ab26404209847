//! The secrets that a gateway's proxy may have: those that its own servers name, from its own
//! namespace.

use std::collections::BTreeMap;
use std::sync::Arc;

use mesh_api::kubernetes::secret::{ROOTS_SUFFIX, Secret};
use mesh_api::{Resource, ResourceSet};
use mesh_model::Str;
use mesh_model::name::NamespacedName;
use mesh_model::service::Workload;

use super::gateway::{Gateway, Serves};
use super::view::{Certificate, Sent, Stored};

/// Every secret that is known, by namespace and name.
#[derive(Default)]
pub(super) struct Secrets(BTreeMap<NamespacedName, Arc<Resource<Secret>>>);

impl Secrets {
    pub(super) fn of(set: &ResourceSet) -> Self {
        let entry = |secret: &Arc<Resource<Secret>>| {
            let name = NamespacedName {
                namespace: secret.meta.namespace.clone(),
                name: secret.meta.name.clone(),
            };
            (name, secret.clone())
        };
        Self(set.secrets.iter().map(entry).collect())
    }

    /// The secrets of a proxy, by the names of the resources.
    ///
    /// departs from istio: a Gateway without a selector gives no secret away. All proxies would have
    /// it that call themselves gateways and run in its namespace.
    pub(super) fn sent(&self, gateways: &[Gateway], workload: &Workload) -> BTreeMap<String, Sent> {
        let mine = gateways.iter().filter(|gateway| {
            !gateway.selector.0.is_empty() && workload.labels.contain(&gateway.selector)
        });
        let servers = mine.flat_map(|gateway| &gateway.servers);
        let mut sent = BTreeMap::new();
        for server in servers {
            let Serves::Secure(tls) = &server.serves else {
                continue;
            };
            let namespace = &workload.name.namespace;
            if let Certificate::Sent(names) = &tls.certificate {
                for name in names {
                    if let Some(found) = self.certificate(namespace, name) {
                        sent.insert(name.clone(), found);
                    }
                }
            }
            if let Some(Stored::Sent(name)) = &tls.roots
                && let Some(found) = self.roots(namespace, name)
            {
                sent.insert(name.clone(), found);
            }
        }
        sent
    }

    fn find(&self, namespace: &Str, name: &str) -> Option<&Secret> {
        let name = NamespacedName {
            namespace: namespace.clone(),
            name: name.into(),
        };
        self.0.get(&name).map(|secret| &secret.spec)
    }

    fn certificate(&self, namespace: &Str, resource: &str) -> Option<Sent> {
        let name = resource.strip_prefix("kubernetes://")?;
        let found = self.find(namespace, name)?.certificate.good()?;
        Some(Sent::Certificate(found.clone()))
    }

    /// A Secret of roots alone counts before the one that has a certificate too.
    fn roots(&self, namespace: &Str, resource: &str) -> Option<Sent> {
        let beside = resource.strip_prefix("kubernetes://")?;
        let of = |name| self.find(namespace, name)?.roots.good();
        let found = of(beside).or_else(|| of(beside.strip_suffix(ROOTS_SUFFIX)?))?;
        Some(Sent::Roots(found.clone()))
    }
}

#[cfg(test)]
mod tests;
