//! Flags, and what they mean.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use mesh_identity::IdentitySettings;
use mesh_model::ident::{IdentError, ServiceAccount, TrustDomain};
use mesh_runtime::log;

/// The telemetry hub of a mesh: gathers what every proxy counts, and shows metrics and the graph.
#[derive(Debug, Parser)]
#[command(name = "mesh-mixer", version)]
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
    /// Trust domain of the mesh
    #[arg(long, value_name = "NAME", default_value = "cluster.local")]
    trust_domain: String,
    /// Namespace of this process
    #[arg(long, value_name = "NAME", default_value = "istio-system")]
    namespace: String,
    /// Service account of this process
    #[arg(
        long,
        value_name = "NAME",
        default_value = "istio-mixer-service-account"
    )]
    service_account: String,
    /// Where citadel issues certificates
    #[arg(long, value_name = "HOST:PORT")]
    ca_address: String,
    /// File with the roots of the mesh, as PEM
    #[arg(long, value_name = "FILE")]
    ca_root: PathBuf,
    /// File with the token that proves the service account to citadel
    #[arg(long, value_name = "FILE")]
    token_file: PathBuf,
    /// error, warn, info, debug, trace, or a list of TARGET=LEVEL
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    log_level: String,
    /// How log lines look
    #[arg(long, value_enum, default_value_t = Lines::Text)]
    log_format: Lines,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Lines {
    Text,
    Json,
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

impl Flags {
    /// Level and form of the log.
    #[must_use]
    pub fn log(&self) -> (&str, log::Format) {
        let format = match self.log_format {
            Lines::Text => log::Format::Text,
            Lines::Json => log::Format::Json,
        };
        (&self.log_level, format)
    }
}

impl TryFrom<Flags> for Settings {
    type Error = IdentError;

    fn try_from(flags: Flags) -> Result<Self, IdentError> {
        Ok(Self {
            address: flags.address,
            http: flags.http,
            admin: flags.admin,
            identity: IdentitySettings {
                trust_domain: TrustDomain::parse(&flags.trust_domain)?,
                account: ServiceAccount::new(&flags.namespace, &flags.service_account)?,
                ca_address: flags.ca_address,
                ca_root: flags.ca_root,
                token_file: flags.token_file,
            },
        })
    }
}

#[cfg(test)]
mod tests;
