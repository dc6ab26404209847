//! Which DestinationRules apply to a host: merging within a namespace, and the order of lookup.

use std::collections::BTreeMap;
use std::sync::Arc;

use mesh_model::Str;
use mesh_model::name::{Hostname, NamespacedName};

use super::rules::{DestinationPolicy, Export, TrafficPolicy};

/// One DestinationRule, with its host complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DestinationRule {
    /// Name and namespace of the object.
    pub name: NamespacedName,
    /// The host, or hosts, it speaks of.
    pub host: Hostname,
    /// Who sees it, where the lookup comes to its namespace from another one.
    pub export: Export,
    /// What it says.
    pub policy: DestinationPolicy,
}

/// All DestinationRules, merged and ready to be looked up.
#[derive(Debug, Clone, Default)]
pub(super) struct DestinationRules {
    by_namespace: BTreeMap<Str, Vec<Merged>>,
    root_namespace: Str,
}

#[derive(Debug, Clone)]
struct Merged {
    host: Hostname,
    export: Export,
    policy: Arc<DestinationPolicy>,
}

impl DestinationRules {
    /// Merges the rules, which come the oldest first.
    pub(super) fn new(rules: &[DestinationRule], root_namespace: &Str) -> Self {
        let mut by_namespace: BTreeMap<Str, Vec<Merged>> = BTreeMap::new();
        for rule in rules {
            let own = by_namespace.entry(rule.name.namespace.clone()).or_default();
            // istio: rules with other exports than the first one's stay apart.
            let same = own
                .iter_mut()
                .find(|m| m.host == rule.host && m.export == rule.export);
            match same {
                Some(first) => first.policy = Arc::new(merge(&first.policy, &rule.policy)),
                None => own.push(Merged {
                    host: rule.host.clone(),
                    export: rule.export.clone(),
                    policy: Arc::new(rule.policy.clone()),
                }),
            }
        }
        Self {
            by_namespace,
            root_namespace: root_namespace.clone(),
        }
    }

    /// The policy for a host of `service_namespace`, as clients of `client_namespace` have it: the
    /// client's own, else the service's, else the mesh's. Levels are never mixed.
    pub(super) fn lookup(
        &self,
        client_namespace: &str,
        service_namespace: &str,
        host: &Hostname,
    ) -> Option<Arc<DestinationPolicy>> {
        let own = (client_namespace != &*self.root_namespace)
            .then(|| self.in_namespace(client_namespace, host, |_| true))
            .flatten();
        let exported = |namespace| {
            self.in_namespace(namespace, host, |export| export.reaches(client_namespace))
        };
        own.or_else(|| exported(service_namespace))
            .or_else(|| exported(&self.root_namespace))
    }

    fn in_namespace(
        &self,
        namespace: &str,
        host: &Hostname,
        seen: impl Fn(&Export) -> bool,
    ) -> Option<Arc<DestinationPolicy>> {
        self.by_namespace
            .get(namespace)?
            .iter()
            .filter(|rule| seen(&rule.export) && rule.host.covers(host))
            .min_by_key(|rule| rule.host.specificity())
            .map(|rule| rule.policy.clone())
    }
}

/// The first rule keeps its traffic policy if it has one; subsets are added by name.
fn merge(first: &DestinationPolicy, later: &DestinationPolicy) -> DestinationPolicy {
    let mut merged = first.clone();
    if merged.traffic == TrafficPolicy::default() {
        merged.traffic = later.traffic.clone();
    }
    for subset in &later.subsets {
        if !merged.subsets.iter().any(|s| s.name == subset.name) {
            merged.subsets.push(subset.clone());
        }
    }
    merged
}
