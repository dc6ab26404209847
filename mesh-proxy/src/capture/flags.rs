//! The command line of `mesh-proxy capture`: the names and defaults of istio-iptables.
//!
//! Values stay text here; `options` checks them and says what is wrong with them.

use clap::{Parser, ValueEnum};

/// Redirects the TCP connections of this network namespace to the proxy.
///
/// Run it in the init container of a pod, as root with NET_ADMIN (and NET_RAW for iptables-legacy).
/// Running it again replaces the rules of the run before.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "mesh-proxy capture",
    bin_name = "mesh-proxy capture",
    version,
    max_term_width = 100
)]
pub(crate) struct CaptureFlags {
    /// Port of the proxy that outbound connections are redirected to
    // istio: constants DefaultProxyPort of istio-iptables.
    #[arg(short = 'p', long, value_name = "PORT", default_value = "15001")]
    pub(crate) envoy_port: String,
    /// Port of the proxy that inbound connections are redirected to
    #[arg(short = 'z', long, value_name = "PORT", default_value = "15006")]
    pub(crate) inbound_capture_port: String,
    /// Inbound port that is left alone because the proxy itself listens there for tunnels
    #[arg(short = 'e', long, value_name = "PORT", default_value = "15008")]
    pub(crate) inbound_tunnel_port: String,
    /// Users whose connections are not captured: those of the proxy
    #[arg(short = 'u', long, value_name = "UIDS", default_value = "1337")]
    pub(crate) proxy_uid: String,
    /// Groups whose connections are not captured; the same numbers as -u unless given
    #[arg(
        short = 'g',
        long,
        value_name = "GIDS",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) proxy_gid: String,
    /// How inbound connections are captured; REDIRECT is what there is
    #[arg(
        short = 'm',
        long,
        value_name = "MODE",
        default_value = "REDIRECT",
        hide_default_value = true
    )]
    pub(crate) istio_inbound_interception_mode: String,
    /// Inbound ports to capture: a list, * for all, empty for none
    #[arg(
        short = 'b',
        long,
        value_name = "PORTS|*",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) istio_inbound_ports: String,
    /// Inbound ports to leave alone
    #[arg(
        short = 'd',
        long,
        value_name = "PORTS",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) istio_local_exclude_ports: String,
    /// Destinations whose connections are captured: CIDRs, * for all, empty for none
    #[arg(
        short = 'i',
        long,
        value_name = "CIDRS|*",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) istio_service_cidr: String,
    /// Destinations to leave alone
    #[arg(
        short = 'x',
        long,
        value_name = "CIDRS",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) istio_service_exclude_cidr: String,
    /// Outbound ports that are captured whatever -i says; -x and -o win
    #[arg(
        short = 'q',
        long,
        value_name = "PORTS",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) istio_outbound_ports: String,
    /// Outbound ports to leave alone
    #[arg(
        short = 'o',
        long,
        value_name = "PORTS",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) istio_local_outbound_ports_exclude: String,
    /// Interfaces of virtual machines: what comes in by them is captured as outbound
    #[arg(
        short = 'k',
        long,
        value_name = "NAMES",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) kube_virt_interfaces: String,
    /// Interfaces on which nothing is captured
    #[arg(
        short = 'c',
        long,
        value_name = "NAMES",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) istio_exclude_interfaces: String,
    /// Which IP versions get rules; auto means IPv4, and IPv6 where the namespace has it
    #[arg(long, value_enum, value_name = "VERSION", default_value_t)]
    pub(crate) ip_version: IpVersion,
    /// Who applies the rules; auto means iptables where it works, else nft
    #[arg(long, value_enum, value_name = "NAME", default_value_t)]
    pub(crate) backend: BackendChoice,
    /// Print the rules and change nothing; needs no privilege
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
    /// Remove every rule that an earlier run made, and add none
    #[arg(long, visible_alias = "cleanup")]
    pub(crate) clean_up: bool,
}

/// Which IP versions get rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum IpVersion {
    /// IPv4, and IPv6 where the namespace has it.
    #[default]
    Auto,
    /// IPv4 alone.
    #[value(name = "4")]
    Four,
    /// IPv6 alone.
    #[value(name = "6")]
    Six,
    /// Both, or failure.
    Dual,
}

/// Who applies the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum BackendChoice {
    /// iptables where it works, else nft.
    #[default]
    Auto,
    /// iptables-restore, whichever of its variants works.
    Iptables,
    /// nft, with tables of our own.
    Nft,
}

#[cfg(test)]
mod tests;
