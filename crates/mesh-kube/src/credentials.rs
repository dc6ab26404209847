//! Which Secrets gateways ask for: no other is ever read.
//!
//! A state machine without I/O. It looks at the objects that are told: Gateways and Ingresses name
//! Secrets, and the pods that they select say in which namespaces those are looked for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mesh_api::Object;
use mesh_api::kinds::Content;
use mesh_api::kubernetes::ingress::{Ingress, IngressClass, serves};
use mesh_api::kubernetes::secret::ROOTS_SUFFIX;
use mesh_api::networking::gateway::Gateway;
use mesh_api::resources::{Resource, Typed, read};
use mesh_model::Str;
use mesh_model::labels::Labels;
use mesh_model::name::ResourceKey;
use mesh_source::Event;

/// Labels of the proxies that serve Ingresses (istio: meshConfig.ingressSelector).
const INGRESS_GATEWAY: (&str, &str) = ("istio", "ingressgateway");

/// Namespace and name of a Secret.
pub(crate) type SecretName = (Str, Str);

/// What is asked for.
#[derive(Default)]
pub(crate) struct Credentials {
    gateways: BTreeMap<ResourceKey, Asked>,
    ingresses: BTreeMap<ResourceKey, Arc<Resource<Ingress>>>,
    classes: BTreeMap<ResourceKey, Arc<Resource<IngressClass>>>,
    /// The objects themselves are shared with the store.
    pods: BTreeMap<ResourceKey, Arc<Object>>,
}

/// What one Gateway asks for.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    selector: Labels,
    names: BTreeSet<Str>,
}

impl Credentials {
    /// Takes in what is told; whether something else may be asked for now.
    pub(crate) fn on(&mut self, event: &Event) -> bool {
        match event {
            Event::Upsert(object) => self.upsert(object),
            Event::Delete(key) => {
                self.pods.remove(key);
                // A namespace whose last gateway has gone keeps its Secrets until something else
                // changes: a pod that is replaced would ask for them again.
                self.gateways.remove(key).is_some()
                    | self.ingresses.remove(key).is_some()
                    | self.classes.remove(key).is_some()
            }
            Event::Synced | Event::Broken { .. } | Event::Mended { .. } => false,
        }
    }

    fn upsert(&mut self, object: &Arc<Object>) -> bool {
        let key = object.key.clone();
        match object.kind.content {
            Content::Pod => {
                let before = self.pods.insert(key, object.clone());
                let labels = &object.meta.labels;
                let same = before.is_some_and(|before| before.meta.labels == *labels);
                !same && self.selectors().any(|selector| labels.contain(&selector))
            }
            Content::Gateway => match read(object).0 {
                Some(Typed::Gateway(gateway)) => {
                    let asked = asked(&gateway.spec);
                    let same = self.gateways.get(&key) == Some(&asked);
                    self.gateways.insert(key, asked);
                    !same
                }
                // What cannot be read leaves its last good version in force.
                _ => false,
            },
            Content::Ingress => match read(object).0 {
                Some(Typed::Ingress(ingress)) => {
                    self.ingresses.insert(key, ingress);
                    true
                }
                _ => false,
            },
            Content::IngressClass => match read(object).0 {
                Some(Typed::IngressClass(class)) => {
                    self.classes.insert(key, class);
                    true
                }
                _ => false,
            },
            _ => false,
        }
    }

    fn selectors(&self) -> impl Iterator<Item = Labels> {
        let of_gateways = self
            .gateways
            .values()
            .filter(|asked| !asked.names.is_empty());
        let of_ingresses = (!self.ingresses.is_empty()).then(ingress_gateway);
        of_gateways
            .map(|asked| asked.selector.clone())
            .chain(of_ingresses)
    }

    /// What is asked for.
    pub(crate) fn wanted(&self) -> BTreeSet<SecretName> {
        let mut wanted = BTreeSet::new();
        let of_ingresses = self.of_ingresses();
        for asked in self.gateways.values().chain([&of_ingresses]) {
            if asked.names.is_empty() || asked.selector.0.is_empty() {
                continue;
            }
            let selected = self
                .pods
                .values()
                .filter(|pod| pod.meta.labels.contain(&asked.selector));
            let namespaces: BTreeSet<&Str> = selected.map(|pod| &pod.meta.namespace).collect();
            for namespace in namespaces {
                let names = asked.names.iter().cloned();
                wanted.extend(names.map(|name| (namespace.clone(), name)));
            }
        }
        wanted
    }

    fn of_ingresses(&self) -> Asked {
        let classes: Vec<_> = self.classes.values().cloned().collect();
        let ours = self.ingresses.values();
        let ours = ours.filter(|ingress| serves(&ingress.meta, &ingress.spec, &classes));
        let tls = ours.flat_map(|ingress| &ingress.spec.tls);
        let named = tls.filter(|tls| !tls.secret_name.is_empty());
        Asked {
            selector: ingress_gateway(),
            names: named.map(|tls| tls.secret_name.as_str().into()).collect(),
        }
    }
}

fn ingress_gateway() -> Labels {
    [INGRESS_GATEWAY].into_iter().collect()
}

fn asked(gateway: &Gateway) -> Asked {
    let mut names = BTreeSet::new();
    for tls in gateway
        .servers
        .iter()
        .filter_map(|server| server.tls.as_ref())
    {
        for name in tls.credentials() {
            names.insert(name.into());
            if tls.mode.needs_roots() {
                names.insert(format!("{name}{ROOTS_SUFFIX}").into());
            }
        }
        if !tls.ca_cert_credential_name.is_empty() {
            names.insert(tls.ca_cert_credential_name.as_str().into());
        }
    }
    Asked {
        selector: gateway.selector.clone(),
        names,
    }
}

#[cfg(test)]
mod tests;
