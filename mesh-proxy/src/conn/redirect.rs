//! Connections that were redirected to us: where they were going, and which listener takes them.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use mesh_traffic::Listener;
use mesh_traffic::listener::{Direction, OriginalDestination};
use rustix::net::sockopt::{ip_original_dst, ipv6_original_dst};

use crate::conn::Refused;
use crate::conn::drain::Drain;
use crate::conn::listen::Serving;

/// What is known of a connection that came by a port to which others are redirected.
#[derive(Clone)]
pub struct Redirected {
    /// Where its client wanted to go; none where the kernel knows of no redirection.
    pub(crate) destination: Option<SocketAddr>,
    /// Who may take it.
    pub(crate) takers: Arc<Takers>,
}

/// The listeners that bind no port of their own, and the ports that connections are redirected to.
#[derive(Default)]
pub(crate) struct Takers {
    pub(crate) unbound: HashMap<SocketAddr, Arc<Serving>, ahash::RandomState>,
    pub(crate) own_ports: Vec<u16>,
}

/// A connection with the listener that takes it.
pub(crate) struct Arrived {
    pub(crate) listener: Arc<Listener>,
    pub(crate) drain: Drain,
    /// The address that the client wanted.
    pub(crate) local: SocketAddr,
}

/// The address that a connection had before it was redirected, as conntrack remembers it.
///
/// Of a connection that was not, it is the connection's own address, or none.
pub(crate) fn destination(socket: &std::net::TcpStream, local: SocketAddr) -> Option<SocketAddr> {
    let known = match local {
        SocketAddr::V4(_) => ip_original_dst(socket).ok().map(SocketAddr::V4),
        SocketAddr::V6(_) => ipv6_original_dst(socket).ok().map(SocketAddr::V6),
    };
    // Without scope and flow, which are no part of an address that is called.
    known.map(|known| SocketAddr::new(known.ip(), known.port()))
}

impl Redirected {
    /// Finds the listener that takes a connection.
    ///
    /// # Errors
    /// [`Refused::OwnPort`] where the destination is this proxy itself: it would call itself, and
    /// again, until nothing is left.
    pub(crate) fn arrive(&self, by: Arrived) -> Result<Arrived, Refused> {
        let wanted = self.destination.filter(|wanted| *wanted != by.local);
        let refused = || Refused::OwnPort {
            listener: by.listener.name.clone(),
        };
        let wanted = wanted.ok_or_else(refused)?;
        let is_own = match by.listener.direction {
            // Whatever comes in is for this workload, and these ports of it are ours.
            Direction::Inbound => self.takers.own_ports.contains(&wanted.port()),
            // Another workload has such ports as well, and refuses calls to them.
            Direction::Outbound | Direction::Unspecified => wanted.port() == by.local.port(),
        };
        if is_own {
            return Err(refused());
        }
        let taker = match by.listener.original {
            OriginalDestination::HandedOver => self.takers.of(wanted),
            OriginalDestination::Restored | OriginalDestination::Ignored => None,
        };
        Ok(match taker {
            Some(serving) => Arrived {
                listener: serving.listener.clone(),
                drain: serving.drain.clone(),
                local: wanted,
            },
            None => Arrived {
                local: wanted,
                ..by
            },
        })
    }
}

impl Takers {
    /// The listener of the address, else that of every address with the port.
    fn of(&self, wanted: SocketAddr) -> Option<&Arc<Serving>> {
        let every: IpAddr = match wanted {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let exact = self.unbound.get(&wanted);
        exact.or_else(|| self.unbound.get(&SocketAddr::new(every, wanted.port())))
    }
}

#[cfg(test)]
mod tests;
