//! Services, endpoints and workloads as the mesh knows them, whichever objects told of them.

mod aliases;
mod build;
mod listeners;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use mesh_model::Str;
use mesh_model::name::{Hostname, NamespacedName};
use mesh_model::net::Protocol;
use mesh_model::service::{Endpoint, Service, ServicePort, Workload};

pub use build::build;

use crate::snapshot::view::InboundService;

/// What is there.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    /// Services by host.
    pub services: BTreeMap<Hostname, RegisteredService>,
    /// Other names of services, by host.
    pub aliases: BTreeMap<Hostname, Alias>,
    /// Workloads by pod.
    pub workloads: BTreeMap<NamespacedName, Arc<Workload>>,
}

/// A name that stands for a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alias {
    /// Name and namespace of the object that declares it.
    pub name: NamespacedName,
    /// Host of the service.
    pub of: Hostname,
}

/// A service with what answers for it.
#[derive(Debug, Clone)]
pub struct RegisteredService {
    /// The service.
    pub service: Arc<Service>,
    /// Its endpoints, sorted by address and port name.
    pub endpoints: Vec<RegisteredEndpoint>,
    /// Container ports that service ports lead to.
    pub target_ports: BTreeMap<u16, TargetPort>,
}

/// The container port that a service's port leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetPort {
    /// By number.
    Number(u16),
    /// By the name that each pod gives to one of its ports.
    Named(Str),
}

impl TargetPort {
    fn of(&self, workload: &Workload) -> Option<u16> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Named(name) => workload.port_names.get(name).copied(),
        }
    }
}

/// An endpoint with the pod behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisteredEndpoint {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// Name and namespace of the pod, if it is one.
    pub pod: Option<NamespacedName>,
}

/// The services that lead to a workload's address.
#[derive(Debug, Clone)]
pub struct Leading {
    /// What the bytes are, as the first of the services says.
    pub protocol: Protocol,
    /// The services, sorted by host.
    pub services: Vec<InboundService>,
}

impl Registry {
    /// The services by which `address` of a workload is called. Without any it is a port that
    /// declares nothing.
    #[must_use]
    pub fn leading_to(&self, workload: &Workload, address: SocketAddr) -> Leading {
        let mut protocol = None;
        let mut services = Vec::new();
        for registered in self.services.values() {
            let Some(found) = registered.endpoints.iter().find(|known| {
                known.endpoint.address == address && known.pod.as_ref() == Some(&workload.name)
            }) else {
                continue;
            };
            let mut ports = registered.service.ports.iter();
            let Some(port) = ports.find(|port| port.name == found.endpoint.port_name) else {
                continue;
            };
            protocol = protocol.or(Some(port.protocol));
            services.push(InboundService {
                service: registered.service.clone(),
                port: port.port,
            });
        }
        Leading {
            protocol: protocol.unwrap_or(Protocol::Auto),
            services,
        }
    }

    /// The ports of a workload that services lead to, whether or not it is ready.
    ///
    /// istio: by the services that select the workload; where one selects nothing, by endpoints.
    #[must_use]
    pub fn ports_of(&self, workload: &Workload) -> BTreeMap<u16, Leading> {
        let mut ports: BTreeMap<u16, Leading> = BTreeMap::new();
        for registered in self.services.values() {
            let service = &registered.service;
            let leads = registered.leads_to(workload);
            for port in &service.ports {
                let Some(target) = leads.and_then(|how| how.target(registered, workload, port))
                else {
                    continue;
                };
                let leading = ports.entry(target).or_insert_with(|| Leading {
                    protocol: port.protocol,
                    services: Vec::new(),
                });
                leading.services.push(InboundService {
                    service: service.clone(),
                    port: port.port,
                });
            }
        }
        ports
    }

    /// The container port that `port` of the Service in front of a workload leads to; `port` itself
    /// where no Service says another.
    #[must_use]
    pub fn target_port(&self, workload: &Workload, port: u16) -> u16 {
        let in_front = self.services.values().filter(|registered| {
            let service = &registered.service;
            service.name.namespace == workload.name.namespace
                && !service.selector.0.is_empty()
                && workload.labels.contain(&service.selector)
        });
        for registered in in_front {
            let Some(declared) = registered.service.ports.iter().find(|p| p.port == port) else {
                continue;
            };
            let resolved = registered
                .endpoints
                .iter()
                .filter(|known| known.pod.as_ref() == Some(&workload.name))
                .find(|known| known.endpoint.port_name == declared.name)
                .map(|known| known.endpoint.address.port());
            let target = registered.target_ports.get(&port);
            let declared = target.and_then(|target| target.of(workload));
            return resolved.or(declared).unwrap_or(port);
        }
        port
    }
}

/// How a service comes to lead to a workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leads {
    /// It selects it by labels.
    Selects,
    /// Somebody wrote an endpoint.
    Names,
}

impl RegisteredService {
    fn leads_to(&self, workload: &Workload) -> Option<Leads> {
        let selector = &self.service.selector;
        if selector.0.is_empty() {
            return Some(Leads::Names);
        }
        let same = self.service.name.namespace == workload.name.namespace;
        (same && workload.labels.contain(selector)).then_some(Leads::Selects)
    }
}

impl Leads {
    fn target(
        self,
        of: &RegisteredService,
        workload: &Workload,
        port: &ServicePort,
    ) -> Option<u16> {
        match self {
            Self::Selects => of.target_ports.get(&port.port)?.of(workload),
            Self::Names => of
                .endpoints
                .iter()
                .find(|known| {
                    known.pod.as_ref() == Some(&workload.name)
                        && known.endpoint.port_name == port.name
                })
                .map(|known| known.endpoint.address.port()),
        }
    }
}
