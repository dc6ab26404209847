//! Which VirtualService applies where.

use std::cmp::Reverse;
use std::sync::Arc;

use mesh_model::name::{Hostname, NamespacedName};

use super::rules::{Export, GatewayRef, Routing};

/// The VirtualServices of the mesh's sidecars as clients of one namespace see them, in the order
/// in which they are consulted: private ones, those exported to the namespace, public ones; each
/// the oldest first.
pub(super) fn for_sidecars(routings: &[Arc<Routing>], namespace: &str) -> Vec<Arc<Routing>> {
    let mut seen: Vec<_> = routings
        .iter()
        .filter(|routing| routing.gateways.contains(&GatewayRef::Mesh))
        .filter(|routing| routing.export.reaches(namespace))
        .cloned()
        .collect();
    seen.sort_by_key(|routing| class(routing, namespace)); // stable: age decides within a class
    seen
}

/// How near to a namespace a VirtualService is kept.
fn class(routing: &Routing, namespace: &str) -> u8 {
    match &routing.export {
        Export::Namespaces(only)
            if routing.name.namespace == *namespace
                && only.iter().all(|n| *n == routing.name.namespace) =>
        {
            0
        }
        Export::Namespaces(_) => 1,
        Export::Everyone => 2,
    }
}

/// The VirtualService for a host: the one with the most specific matching host, the first among
/// equals. Several with one host are not merged at sidecars.
pub(super) fn most_specific<'a>(
    ordered: &'a [Arc<Routing>],
    host: &Hostname,
) -> Option<&'a Arc<Routing>> {
    ordered
        .iter()
        .flat_map(|routing| routing.hosts.iter().map(move |own| (own, routing)))
        .filter(|(own, _)| own.covers(host))
        // `min_by_key` keeps the first of equals.
        .min_by_key(|(own, _)| own.specificity())
        .map(|(_, routing)| routing)
}

/// The VirtualService that names this very host, the first of several.
pub(super) fn naming<'a>(ordered: &'a [Arc<Routing>], host: &Hostname) -> Option<&'a Arc<Routing>> {
    ordered.iter().find(|routing| routing.hosts.contains(host))
}

/// Hosts of VirtualServices that no service has, each with the first that names it.
pub(super) fn unregistered<'a>(
    ordered: &[Arc<Routing>],
    services: impl Iterator<Item = &'a Hostname> + Clone,
) -> Vec<(Hostname, Arc<Routing>)> {
    let mut out: Vec<(Hostname, Arc<Routing>)> = Vec::new();
    for routing in ordered {
        for host in &routing.hosts {
            let known = services.clone().any(|service| host.covers(service));
            if !known && !out.iter().any(|(other, _)| other == host) {
                out.push((host.clone(), routing.clone()));
            }
        }
    }
    out
}

/// The VirtualServices bound to a Gateway that proxies of `namespace` see, oldest first.
pub(super) fn for_gateway<'a>(
    routings: &'a [Arc<Routing>],
    gateway: &NamespacedName,
    namespace: &str,
) -> impl Iterator<Item = &'a Arc<Routing>> {
    let wanted = GatewayRef::Named(gateway.clone());
    let reaches = move |routing: &&Arc<Routing>| routing.export.reaches(namespace);
    routings
        .iter()
        .filter(move |routing| routing.gateways.contains(&wanted))
        .filter(reaches)
        .collect::<Vec<_>>()
        .into_iter()
}

/// The names for which both sides speak: of each pair that overlaps, the narrower one.
pub(super) fn intersection(served: &Hostname, routed: &[Hostname]) -> Vec<Hostname> {
    let mut out: Vec<Hostname> = routed
        .iter()
        .filter_map(|host| {
            if served.covers(host) {
                Some(host)
            } else {
                host.covers(served).then_some(served)
            }
        })
        .cloned()
        .collect();
    out.sort_by_key(|host| {
        (
            host.is_wildcard(),
            Reverse(host.as_str().len()),
            host.clone(),
        )
    });
    out.dedup();
    out
}
