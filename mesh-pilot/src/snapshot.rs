//! The world as of one version of the configuration: immutable, and asked for one view per proxy.

mod credentials;
pub mod destination_rule;
pub mod gateway;
mod ingress;
pub mod logging;
pub mod peer_authentication;
mod read;
pub mod rules;
pub mod view;
mod virtual_service;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use mesh_api::ResourceSet;
use mesh_model::Str;
use mesh_model::diag::Diagnostic;
use mesh_model::ident::SpiffeId;
use mesh_model::name::{Hostname, NamespacedName};
use mesh_model::net::Protocol;
use mesh_model::service::{Endpoint, Service, Workload};

use crate::registry::{Alias, Leading, RegisteredEndpoint, RegisteredService, Registry};
use credentials::Secrets;
use destination_rule::DestinationRules;
use gateway::Gateway;
use peer_authentication::PeerAuthentications;
use rules::Routing;
use view::{
    Application, CapturedView, Carriage, Families, InboundPort, MeshConstants, MtlsMode,
    OutboundPort, Role, RouterView, SidecarView, Software, View, VisibleAlias, VisibleService,
    same_services,
};

/// No port has this number, so no mode of a port of its own counts.
const NO_PORT: u16 = 0;

/// Everything that was configured, as of one version.
pub struct World {
    /// The version of the configuration it was made from.
    pub version: u64,
    /// Services and workloads.
    pub registry: Registry,
    /// What could not be carried over; objects with errors of their own never come here.
    pub diagnostics: Vec<Diagnostic>,
    mesh: Arc<MeshConstants>,
    routings: Vec<Arc<Routing>>,
    gateways: Vec<Gateway>,
    secrets: Secrets,
    authentications: PeerAuthentications,
    visible: BTreeMap<Str, Arc<[Arc<VisibleService>]>>,
}

/// A proxy that asks for its configuration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProxyId {
    /// Name and namespace of its pod.
    pub workload: NamespacedName,
    /// What it is there for.
    pub kind: ProxyKind,
}

/// What a proxy is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProxyKind {
    /// Beside one workload.
    Sidecar,
    /// Beside one workload whose connections are redirected to it.
    Captured,
    /// At an edge.
    Router,
    /// In the workload itself: its gRPC library asks, and there is no proxy.
    Proxyless,
}

impl World {
    /// Makes the world of a set of resources.
    #[must_use]
    pub fn build(set: &ResourceSet, mesh: Arc<MeshConstants>, version: u64) -> Self {
        let (registry, diagnostics) = crate::registry::build(set, &mesh.domain);
        let mut configured = read::configuration(set, &mesh.domain);
        for routing in &mut configured.routings {
            routing.follow(&registry.aliases);
        }
        let authentications =
            PeerAuthentications::new(configured.authentications, &mesh.root_namespace);
        let rules = DestinationRules::new(&configured.rules, &mesh.root_namespace);
        let mut world = Self {
            version,
            registry,
            diagnostics,
            mesh,
            routings: configured.routings.into_iter().map(Arc::new).collect(),
            gateways: configured.gateways,
            secrets: Secrets::of(set),
            authentications,
            visible: BTreeMap::new(),
        };
        world.visible = world.visible_by_namespace(&rules);
        world
    }

    /// Takes services over from the world before where they are the same, so that who holds them sees at
    /// once that nothing changed.
    pub fn keep(&mut self, before: &Self) {
        for (namespace, services) in &mut self.visible {
            if let Some(known) = before.visible.get(namespace) {
                *services = kept(services, known);
            }
        }
    }

    /// What a proxy's configuration is made from; none while its workload is not known.
    #[must_use]
    pub fn view(&self, proxy: &ProxyId) -> Option<View> {
        let workload = self.registry.workloads.get(&proxy.workload)?;
        let namespace = &workload.name.namespace;
        let services = self.visible.get(namespace).cloned().unwrap_or_default();
        let role = match proxy.kind {
            ProxyKind::Sidecar => Role::Sidecar(self.sidecar(workload, &services)),
            ProxyKind::Captured => Role::Captured(self.captured(workload, &services)),
            ProxyKind::Router => Role::Router(RouterView {
                listeners: gateway::listeners(
                    &self.gateways,
                    &self.routings,
                    &self.registry,
                    workload,
                ),
                secrets: self.secrets.sent(&self.gateways, workload),
            }),
            ProxyKind::Proxyless => Role::Proxyless,
        };
        Some(View {
            mesh: self.mesh.clone(),
            namespace: namespace.clone(),
            labels: workload.labels.clone(),
            locality: workload.locality.clone(),
            services,
            role,
            software: Software::default(),
        })
    }

    /// How many VirtualServices are in force.
    #[must_use]
    pub fn virtual_services(&self) -> usize {
        self.routings.len()
    }

    fn sidecar(&self, workload: &Workload, services: &[Arc<VisibleService>]) -> SidecarView {
        let Some(binds) = &workload.binds else {
            return SidecarView::default();
        };
        let ordered = virtual_service::for_sidecars(&self.routings, &workload.name.namespace);
        let hosts = services.iter().map(|s| &s.service.hostname);
        SidecarView {
            inbound: self.inbound(workload),
            outbound: binds
                .outbound
                .iter()
                .filter_map(|(target, bind)| self.outbound_port(target, *bind))
                .collect(),
            http_proxy: binds.http_proxy,
            unregistered: virtual_service::unregistered(&ordered, hosts),
        }
    }

    /// A service's port with an address of its own, whichever of its names it is written by.
    fn outbound_port(&self, target: &str, bind: SocketAddr) -> Option<OutboundPort> {
        let (host, port) = target.rsplit_once(':')?;
        let host = Hostname::parse(host).ok()?;
        let alias = self.registry.aliases.get(&host);
        Some(OutboundPort {
            host: alias.map_or(host, |alias| alias.of.clone()),
            port: port.parse().ok()?,
            bind,
        })
    }

    fn captured(&self, workload: &Workload, services: &[Arc<VisibleService>]) -> CapturedView {
        let namespace = &workload.name.namespace;
        let ordered = virtual_service::for_sidecars(&self.routings, namespace);
        let hosts = services.iter().map(|s| &s.service.hostname);
        CapturedView {
            families: Families::of(&workload.addresses),
            inbound: self.captured_ports(workload),
            others: self.mode(workload, NO_PORT),
            unregistered: virtual_service::unregistered(&ordered, hosts),
        }
    }

    /// Ports that services lead to, and those that have a mode of their own.
    fn captured_ports(&self, workload: &Workload) -> Vec<InboundPort> {
        let mut known = self.registry.ports_of(workload);
        let namespace = &workload.name.namespace;
        let own = self.authentications.own_ports(namespace, &workload.labels);
        for port in own {
            known.entry(port).or_insert_with(|| Leading {
                protocol: Protocol::Auto,
                services: Vec::new(),
            });
        }
        let (every, _) = Families::of(&workload.addresses).every();
        known
            .into_iter()
            .filter(|(_, leading)| Carriage::of(leading.protocol) != Carriage::Nothing)
            .map(|(port, leading)| InboundPort {
                port,
                bind: SocketAddr::new(every, port),
                app: Application::WhereCalled,
                protocol: leading.protocol,
                mode: self.mode(workload, port),
                services: leading.services,
            })
            .collect()
    }

    fn inbound(&self, workload: &Workload) -> Vec<InboundPort> {
        let binds = workload.binds.iter().flat_map(|binds| &binds.inbound);
        binds
            .filter_map(|(&port, bind)| {
                let leading = self.registry.leading_to(workload, bind.bind);
                let carried = Carriage::of(leading.protocol) != Carriage::Nothing;
                carried.then(|| InboundPort {
                    port,
                    bind: bind.bind,
                    app: Application::At(bind.app),
                    protocol: leading.protocol,
                    mode: self.mode(workload, port),
                    services: leading.services,
                })
            })
            .collect()
    }

    fn mode(&self, workload: &Workload, port: u16) -> MtlsMode {
        let namespace = &workload.name.namespace;
        self.authentications.mode(namespace, &workload.labels, port)
    }

    /// Services as each namespace with a workload sees them.
    fn visible_by_namespace(
        &self,
        rules: &DestinationRules,
    ) -> BTreeMap<Str, Arc<[Arc<VisibleService>]>> {
        let everywhere = self.everywhere();
        let namespaces = self.registry.workloads.keys().map(|name| &name.namespace);
        let mut out: BTreeMap<Str, Arc<[Arc<VisibleService>]>> = BTreeMap::new();
        let mut first = None;
        for namespace in namespaces {
            if out.contains_key(namespace) {
                continue;
            }
            let seen = self.visible_from(namespace, rules, &everywhere);
            // Most services look the same from everywhere.
            let seen = first
                .as_ref()
                .map_or_else(|| seen.clone(), |one| kept(&seen, one));
            first.get_or_insert_with(|| seen.clone());
            out.insert(namespace.clone(), seen);
        }
        out
    }

    fn visible_from(
        &self,
        namespace: &Str,
        rules: &DestinationRules,
        everywhere: &[Everywhere<'_>],
    ) -> Arc<[Arc<VisibleService>]> {
        let ordered = virtual_service::for_sidecars(&self.routings, namespace);
        let alias = |(hostname, alias): &(&Hostname, &Alias)| VisibleAlias {
            hostname: (*hostname).clone(),
            name: alias.name.clone(),
            routing: virtual_service::naming(&ordered, hostname).cloned(),
        };
        let one = |seen: &Everywhere<'_>| {
            let service = seen.service;
            let host = &service.hostname;
            Arc::new(VisibleService {
                service: service.clone(),
                endpoints: seen.endpoints.clone(),
                accounts: self.accounts(&seen.endpoints),
                policy: rules.lookup(namespace, &service.name.namespace, host),
                routing: virtual_service::most_specific(&ordered, host).cloned(),
                aliases: seen.aliases.iter().map(alias).collect(),
            })
        };
        everywhere.iter().map(one).collect()
    }

    /// Services with what does not depend on where they are seen from.
    fn everywhere(&self) -> Vec<Everywhere<'_>> {
        let mut aliases: BTreeMap<&Hostname, Vec<_>> = BTreeMap::new();
        for (host, alias) in &self.registry.aliases {
            aliases.entry(&alias.of).or_default().push((host, alias));
        }
        let services = self.registry.services.iter();
        let services = services.map(|(host, registered)| Everywhere {
            service: &registered.service,
            endpoints: self.effective_endpoints(registered),
            aliases: aliases.remove(host).unwrap_or_default(),
        });
        services.collect()
    }

    /// Endpoints that take mutual TLS: those with a sidecar whose port does not refuse it.
    fn effective_endpoints(&self, service: &RegisteredService) -> Arc<[Endpoint]> {
        let accepts = |known: &RegisteredEndpoint| {
            let workload = known
                .pod
                .as_ref()
                .and_then(|pod| self.registry.workloads.get(pod));
            workload.is_none_or(|workload| {
                let port = container_port(workload, &known.endpoint);
                self.mode(workload, port) != MtlsMode::Disable
            })
        };
        service
            .endpoints
            .iter()
            .map(|known| Endpoint {
                mutual_tls: known.endpoint.mutual_tls && accepts(known),
                ..known.endpoint.clone()
            })
            .collect()
    }

    fn accounts(&self, endpoints: &[Endpoint]) -> Vec<SpiffeId> {
        let mut ids: Vec<_> = endpoints
            .iter()
            .filter_map(|endpoint| endpoint.service_account.as_ref())
            .map(|account| SpiffeId::of_workload(&self.mesh.trust_domain, account))
            .collect();
        ids.sort();
        ids.dedup();
        ids
    }
}

/// What holds of a service wherever it is seen from.
struct Everywhere<'a> {
    service: &'a Arc<Service>,
    endpoints: Arc<[Endpoint]>,
    aliases: Vec<(&'a Hostname, &'a Alias)>,
}

/// `services` with those of `known` in the place of their equals; both sorted by host.
fn kept(
    services: &Arc<[Arc<VisibleService>]>,
    known: &Arc<[Arc<VisibleService>]>,
) -> Arc<[Arc<VisibleService>]> {
    let mut rest = known.iter().peekable();
    let mut one = |service: &Arc<VisibleService>| {
        let host = &service.service.hostname;
        while rest
            .next_if(|known| known.service.hostname < *host)
            .is_some()
        {}
        let same = rest.next_if(|known| **known == *service);
        same.unwrap_or(service).clone()
    };
    let kept: Arc<[Arc<VisibleService>]> = services.iter().map(&mut one).collect();
    let all = kept.len() == known.len() && same_services(&kept, known);
    if all { known.clone() } else { kept }
}

/// The container's port behind an endpoint's address, which may be another where the address was moved.
fn container_port(workload: &Workload, endpoint: &Endpoint) -> u16 {
    workload
        .binds
        .iter()
        .flat_map(|binds| &binds.inbound)
        .find(|(_, bound)| bound.bind == endpoint.address)
        .map_or_else(|| endpoint.address.port(), |(&port, _)| port)
}

#[cfg(test)]
mod tests;
