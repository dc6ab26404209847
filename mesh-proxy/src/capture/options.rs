//! What is to be captured, checked: values that cannot be wrong any more.
//!
//! Whatever reaches the text of a rule has one of these types, so no option can write a rule of its
//! own.

mod parse;

use std::fmt;
use std::num::NonZeroU16;

use ipnet::IpNet;
use thiserror::Error;

use crate::capture::flags::CaptureFlags;

/// Options of a capture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    /// The proxy's port for outbound connections.
    pub(crate) outbound_port: Port,
    /// The proxy's port for inbound connections; never the outbound one.
    pub(crate) inbound_port: Port,
    /// The inbound port that is left alone.
    pub(crate) tunnel_port: Port,
    /// The proxy's users; at least one, or the proxy would be redirected to itself.
    pub(crate) users: Vec<u32>,
    /// The proxy's groups.
    pub(crate) groups: Vec<u32>,
    /// Inbound ports that are captured.
    pub(crate) inbound: Ports,
    /// Inbound ports that are not.
    pub(crate) inbound_excluded: Vec<Port>,
    /// Destinations that are captured.
    pub(crate) outbound: Ranges,
    /// Destinations that are not.
    pub(crate) outbound_excluded: Vec<IpNet>,
    /// Outbound ports that are captured whatever the destination.
    pub(crate) outbound_ports: Vec<Port>,
    /// Outbound ports that are not.
    pub(crate) outbound_ports_excluded: Vec<Port>,
    /// Interfaces whose inbound traffic counts as outbound.
    pub(crate) rerouted: Vec<Interface>,
    /// Interfaces on which nothing is captured.
    pub(crate) interfaces_excluded: Vec<Interface>,
}

/// A TCP port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Port(NonZeroU16);

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Ports to capture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ports {
    /// Every one.
    All,
    /// These; none when it is empty.
    Only(Vec<Port>),
}

/// Destinations to capture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ranges {
    /// Every one.
    All,
    /// These; none when it is empty.
    Only(Vec<IpNet>),
}

/// The name of a network interface: letters, digits, `_`, `.`, `-`; a last `+` stands for any end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Interface(String);

impl Interface {
    /// The loopback interface.
    pub(crate) fn loopback() -> Self {
        Self("lo".to_owned())
    }

    /// As it was written, which is iptables' form.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// An option that cannot be.
#[derive(Debug, Error)]
#[error("{flag} {value:?}: {why}")]
pub(crate) struct BadOption {
    pub(crate) flag: &'static str,
    pub(crate) value: String,
    pub(crate) why: String,
    pub(crate) way_out: String,
}

impl TryFrom<&CaptureFlags> for Options {
    type Error = BadOption;

    fn try_from(flags: &CaptureFlags) -> Result<Self, BadOption> {
        parse::mode("-m", &flags.istio_inbound_interception_mode)?;
        let users = parse::users("-u", &flags.proxy_uid)?;
        // istio: the group is the user's number unless it is given (istio-iptables, root.go).
        let groups = match flags.proxy_gid.trim() {
            "" => users.clone(),
            given => parse::ids("-g", given)?,
        };
        let options = Self {
            outbound_port: parse::port("-p", &flags.envoy_port)?,
            inbound_port: parse::port("-z", &flags.inbound_capture_port)?,
            tunnel_port: parse::port("-e", &flags.inbound_tunnel_port)?,
            users,
            groups,
            inbound: parse::ports_or_all("-b", &flags.istio_inbound_ports)?,
            inbound_excluded: parse::ports("-d", &flags.istio_local_exclude_ports)?,
            outbound: parse::ranges_or_all("-i", &flags.istio_service_cidr)?,
            outbound_excluded: parse::ranges("-x", &flags.istio_service_exclude_cidr)?,
            outbound_ports: parse::ports("-q", &flags.istio_outbound_ports)?,
            outbound_ports_excluded: parse::ports("-o", &flags.istio_local_outbound_ports_exclude)?,
            rerouted: parse::interfaces("-k", &flags.kube_virt_interfaces)?,
            interfaces_excluded: parse::interfaces("-c", &flags.istio_exclude_interfaces)?,
        };
        refuse_loops(&options)?;
        Ok(options)
    }
}

/// Refuses options by which the proxy would get its own port as a destination.
fn refuse_loops(options: &Options) -> Result<(), BadOption> {
    let (outbound, inbound) = (options.outbound_port, options.inbound_port);
    let bad = |flag, port: Port, why: &str, way_out: &str| {
        Err(BadOption {
            flag,
            value: port.to_string(),
            why: why.to_owned(),
            way_out: way_out.to_owned(),
        })
    };
    if outbound == inbound {
        let why = "the proxy tells inbound from outbound connections by the port they arrive at";
        return bad("-z", inbound, why, "give -p and -z different ports");
    }
    let own = [outbound, inbound];
    let captured = match &options.inbound {
        Ports::All => &[][..],
        Ports::Only(ports) => ports.as_slice(),
    };
    if let Some(port) = captured.iter().find(|port| own.contains(port)) {
        let why = "the proxy listens there for captured connections; it would be sent to itself";
        return bad("-b", *port, why, "leave it out of -b");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
