//! IP versions: which ones get rules, by what was asked for and what the namespace has.

use crate::capture::flags::IpVersion;

/// An IP version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    pub(crate) const BOTH: [Self; 2] = [Self::V4, Self::V6];

    /// As people write it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        }
    }

    /// The family of nft's tables, and the keyword of its matches.
    pub(crate) fn nft(self) -> &'static str {
        match self {
            Self::V4 => "ip",
            Self::V6 => "ip6",
        }
    }
}

/// What a network namespace has of IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ipv6 {
    /// Nothing: it is off, or the kernel has none.
    Absent,
    /// Addresses that reach no further than the link.
    Local,
    /// An address that others can route to.
    Global,
}

impl Ipv6 {
    /// Reads the lines of /proc/net/if_inet6: address, index, prefix, scope, flags, interface.
    pub(crate) fn read(addresses: &str) -> Self {
        let is_global = |line: &str| {
            let words: Vec<_> = line.split_whitespace().collect();
            matches!(words.as_slice(), [_, _, _, "00", _, interface] if *interface != "lo")
        };
        if addresses.lines().any(is_global) {
            Self::Global
        } else if addresses.trim().is_empty() {
            Self::Absent
        } else {
            Self::Local
        }
    }
}

/// An IP version that shall get rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) family: Family,
    /// Whether it is a failure when the kernel cannot do it.
    pub(crate) required: bool,
}

/// The IP versions that get rules.
///
/// IPv6 gets them even where there are only addresses of the link: a neighbour could come in past
/// the proxy. There the pod is not kept from starting when the kernel has no NAT for IPv6.
pub(crate) fn wanted(asked: IpVersion, ipv6: Ipv6) -> Vec<Wanted> {
    let of = |family, required| Wanted { family, required };
    let (four, six) = (of(Family::V4, true), of(Family::V6, true));
    match (asked, ipv6) {
        (IpVersion::Four, _) | (IpVersion::Auto, Ipv6::Absent) => vec![four],
        (IpVersion::Six, _) => vec![six],
        (IpVersion::Dual, _) | (IpVersion::Auto, Ipv6::Global) => vec![four, six],
        (IpVersion::Auto, Ipv6::Local) => vec![four, of(Family::V6, false)],
    }
}

#[cfg(test)]
mod tests;
