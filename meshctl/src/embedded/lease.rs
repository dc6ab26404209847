//! What a local mesh borrows from the machine: a network, and ports of 127.0.0.1.
//!
//! A network is held by a listening socket on its first address, a port by a socket of Linux'
//! abstract namespace that is named after it. Both vanish with the process, however it ends, so
//! several meshes can start at the same moment and none leaves a lease behind.

use std::net::{Ipv4Addr, TcpListener};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixListener};

use super::addresses::{LowPorts, Network};
use crate::error::CommandError;

/// Applications' ports are below what Linux gives to outgoing connections, above well-known ones.
const APP_PORTS: std::ops::Range<u16> = 16_384..32_000;
/// How many ports above the default one are tried for the ingress.
const INGRESS_TRIES: u16 = 20;

/// A leased network.
#[derive(Debug)]
pub(crate) struct Lease {
    /// Which one.
    pub(crate) network: Network,
    _guard: TcpListener,
}

impl Lease {
    /// Leases a free network, beginning the search at a random one.
    ///
    /// # Errors
    /// When all are taken.
    pub(crate) fn take() -> Result<Self, CommandError> {
        let first = fastrand::u8(..);
        let candidates = (0..=u8::MAX).map(|step| first.wrapping_add(step));
        // 127.0 is the machine's own, and programs like resolvers live there.
        for number in candidates.filter(|number| *number != 0) {
            let network = Network(number);
            if let Ok(guard) = TcpListener::bind(network.lease()) {
                return Ok(Self {
                    network,
                    _guard: guard,
                });
            }
        }
        Err(
            CommandError::problem("all networks 127.X.0.0/16 are leased")
                .hint("stop a mesh with `meshctl down --state DIR`"),
        )
    }

    /// Whether ports below 1024 of this network may be bound.
    pub(crate) fn low_ports(&self) -> LowPorts {
        let lowest = std::net::SocketAddr::new(self.network.lease().ip(), 80);
        match TcpListener::bind(lowest) {
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => LowPorts::Moved,
            _ => LowPorts::Allowed,
        }
    }
}

/// Ports of 127.0.0.1 that this process alone gives away, as long as this value lives.
#[derive(Debug, Default)]
pub(crate) struct Ports {
    reserved: Vec<UnixListener>,
}

impl Ports {
    /// The ingress port that the user named, which must be free; 0 stands for any.
    ///
    /// # Errors
    /// When the port is taken.
    pub(crate) fn ingress_named(&mut self, port: u16) -> Result<u16, CommandError> {
        let free = if port == 0 {
            self.application()
        } else {
            self.reserve(port).then_some(port)
        };
        free.ok_or_else(|| {
            CommandError::problem(format!(
                "--ingress-port {port}: the port cannot be had on 127.0.0.1: it is in use{}",
                if port < 1024 {
                    ", or it is kept for root"
                } else {
                    ""
                }
            ))
            .hint("free it, name another one, or leave the flag out to let meshctl choose")
        })
    }

    /// The default ingress port, or one near it that is free.
    ///
    /// # Errors
    /// When no port is left.
    pub(crate) fn ingress_near(&mut self, port: u16) -> Result<u16, CommandError> {
        let near = (port..port.saturating_add(INGRESS_TRIES)).find(|port| self.reserve(*port));
        near.or_else(|| self.application())
            .ok_or_else(|| CommandError::problem("no port is free on 127.0.0.1 for the ingress"))
    }

    fn application(&mut self) -> Option<u16> {
        let first = fastrand::u16(APP_PORTS);
        let mut candidates = (first..APP_PORTS.end).chain(APP_PORTS.start..first);
        candidates.find(|port| self.reserve(*port))
    }

    fn reserve(&mut self, port: u16) -> bool {
        let held = UnixAddr::from_abstract_name(format!("mesh/port/{port}"))
            .and_then(|name| UnixListener::bind_addr(&name));
        let free = held.is_ok() && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
        if free {
            self.reserved.extend(held);
        }
        free
    }
}

impl Iterator for Ports {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        self.application()
    }
}

#[cfg(test)]
mod tests;
