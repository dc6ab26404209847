//! Flags, and what they mean.

use std::net::SocketAddr;

use clap::Parser;
use mesh_identity::settings::SYSTEM_NAMESPACE;
use mesh_identity::{BadIdentity, IdentityFlags, IdentitySettings};
use mesh_runtime::log::LogFlags;

/// istio: the service account of its mixer.
const ACCOUNT: &str = "istio-mixer-service-account";

/// The telemetry hub of a mesh: gathers what every proxy counts, and shows metrics and the graph.
#[derive(Debug, Parser)]
#[command(name = "mesh-mixer", version)]
#[command(mut_arg("namespace", |flag| flag.required(false).default_value(SYSTEM_NAMESPACE)))]
#[command(mut_arg("service_account", |flag| flag.required(false).default_value(ACCOUNT)))]
pub struct Flags {
    /// Where proxies report, over gRPC and mutual TLS
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9091")]
    address: SocketAddr,
    /// Where metrics and graph of the mesh are served, over HTTP
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:42422")]
    http: SocketAddr,
    /// Where health and the hub's own metrics are served, over HTTP
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:15014")]
    admin: SocketAddr,
    #[command(flatten)]
    identity: IdentityFlags,
    /// Level and form of the log.
    #[command(flatten)]
    pub log: LogFlags,
}

/// What a hub must be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where proxies report.
    pub address: SocketAddr,
    /// Where metrics and graph of the mesh are served.
    pub http: SocketAddr,
    /// Where health and the hub's own metrics are served.
    pub admin: SocketAddr,
    /// Whose certificate to obtain, from where, and by which proof.
    pub identity: IdentitySettings,
}

impl TryFrom<Flags> for Settings {
    type Error = BadIdentity;

    fn try_from(flags: Flags) -> Result<Self, BadIdentity> {
        Ok(Self {
            address: flags.address,
            http: flags.http,
            admin: flags.admin,
            identity: flags.identity.try_into()?,
        })
    }
}

#[cfg(test)]
mod tests;
