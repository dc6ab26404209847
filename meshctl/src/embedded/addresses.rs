//! Who has which address in the network of a local mesh (docs/local-mesh.md, "Addresses"). Pure.

use std::net::{Ipv4Addr, SocketAddr};

use crate::error::CommandError;

/// The leased network `127.X.0.0/16`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Network(pub(crate) u8);

/// Port of the socket that holds the lease.
pub(crate) const LEASE_PORT: u16 = 15999;
/// Admin pages of the components.
pub(crate) const COMPONENT_ADMIN: u16 = 15014;
/// Admin pages of a proxy.
pub(crate) const PROXY_ADMIN: u16 = 15000;
/// The explicit HTTP proxy of a sidecar.
pub(crate) const HTTP_PROXY: u16 = 15002;
/// Ports of a workload's address that are the sidecar's own.
pub(crate) const PROXY_OWN: [u16; 4] = [PROXY_ADMIN, HTTP_PROXY, 15006, 15090];
/// How far a privileged port is moved up.
const MOVED_BY: u16 = 10_000;
/// The first two parts of the addresses of pods in a mesh of namespaces.
const PODS: [u8; 2] = [10, 44];
/// Those of its services.
const SERVICES: [u8; 2] = [10, 45];
/// Service addresses begin after this one.
const SERVICES_AFTER: u8 = 10;
/// The greatest number of a service.
const MOST_SERVICES: usize = 244;
/// The greatest number of a workload.
const MOST_WORKLOADS: usize = 254;

impl Network {
    fn own(self, host: u8) -> Ipv4Addr {
        Ipv4Addr::new(127, self.0, 0, host)
    }

    /// Where the lease is held.
    pub(crate) fn lease(self) -> SocketAddr {
        (self.own(1), LEASE_PORT).into()
    }

    /// Citadel's address.
    pub(crate) fn citadel(self) -> Ipv4Addr {
        self.own(10)
    }

    /// Pilot's address.
    pub(crate) fn pilot(self) -> Ipv4Addr {
        self.own(11)
    }

    /// Mixer's address.
    pub(crate) fn mixer(self) -> Ipv4Addr {
        self.own(12)
    }

    /// The ingress gateway's address.
    pub(crate) fn ingress(self) -> Ipv4Addr {
        self.own(13)
    }

    /// The address of a workload.
    pub(crate) fn workload(self, number: WorkloadNumber) -> Ipv4Addr {
        Ipv4Addr::new(127, self.0, number.0, 1)
    }

    /// The address at which a workload calls a service.
    pub(crate) fn service(self, caller: WorkloadNumber, service: ServiceNumber) -> Ipv4Addr {
        Ipv4Addr::new(127, self.0, caller.0, service.0)
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "127.{}.0.0/16", self.0)
    }
}

/// The control plane and the gateway as pods of a mesh of namespaces see them.
pub(crate) const NODE: Ipv4Addr = Ipv4Addr::new(PODS[0], PODS[1], 0, 1);
/// Every service's address in a mesh of namespaces.
pub(crate) const SERVICE_CIDR: &str = "10.45.0.0/16";

/// The number of a workload: the third part of its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WorkloadNumber(u8);

impl WorkloadNumber {
    /// The number of the workload at `index`, from 0.
    pub(crate) fn of(index: usize) -> Result<Self, CommandError> {
        match u8::try_from(index + 1) {
            Ok(number) if index < MOST_WORKLOADS => Ok(Self(number)),
            _ => Err(CommandError::problem(format!(
                "a local mesh has room for {MOST_WORKLOADS} workloads"
            ))
            .hint("lower `replicas`, or load fewer manifests")),
        }
    }

    /// The address of its pod in a mesh of namespaces.
    pub(crate) fn pod(self) -> Ipv4Addr {
        Ipv4Addr::new(PODS[0], PODS[1], self.0, 2)
    }

    /// The node's end of the way to its pod.
    pub(crate) fn gateway(self) -> Ipv4Addr {
        Ipv4Addr::new(PODS[0], PODS[1], self.0, 1)
    }
}

impl std::fmt::Display for WorkloadNumber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// The number of a service as the last part of the address at which workloads call it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ServiceNumber(u8);

impl ServiceNumber {
    /// The number of the service at `index`, from 0.
    pub(crate) fn of(index: usize) -> Result<Self, CommandError> {
        match u8::try_from(index + 1 + usize::from(SERVICES_AFTER)) {
            Ok(number) if index < MOST_SERVICES => Ok(Self(number)),
            _ => Err(CommandError::problem(format!(
                "a local mesh has room for {MOST_SERVICES} services"
            ))
            .hint("load fewer manifests")),
        }
    }

    /// The service's address in a mesh of namespaces.
    pub(crate) fn cluster_ip(self) -> Ipv4Addr {
        Ipv4Addr::new(SERVICES[0], SERVICES[1], 0, self.0)
    }
}

/// Whether ports below 1024 may be bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LowPorts {
    /// They may.
    Allowed,
    /// They are moved up instead.
    Moved,
}

impl LowPorts {
    /// The port that stands for `port` on the mesh's addresses.
    pub(crate) fn place(self, port: u16) -> u16 {
        match self {
            Self::Moved if port < 1024 => port + MOVED_BY,
            Self::Moved | Self::Allowed => port,
        }
    }
}

#[cfg(test)]
mod tests;
