//! Flags, and the settings that they become once they were checked.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use mesh_model::ident::{IdentError, ServiceAccount, SpiffeId, TrustDomain};
use mesh_pki::template::DnsName;
use mesh_runtime::log::LogFlags;
use mesh_runtime::settings::parse_duration;

use crate::authority::DnsNames;
use crate::issue::profile::{BadLifetimes, Lifetimes};

/// The certificate authority of the mesh.
#[derive(Debug, Parser)]
#[command(name = "mesh-citadel", version)]
pub struct Flags {
    /// Where certificates are asked for (gRPC over TLS).
    #[arg(long, value_name = "HOST:PORT")]
    pub address: SocketAddr,
    /// Where health and metrics are served.
    #[arg(long, value_name = "HOST:PORT")]
    pub admin: SocketAddr,
    /// Directory of the CA: ca-key.pem, ca-cert.pem, root-cert.pem. Made when it is empty.
    #[arg(long, value_name = "DIR")]
    pub ca_dir: PathBuf,
    /// Directory of accepted tokens; it is watched.
    #[arg(long, value_name = "DIR")]
    pub accepted_tokens: PathBuf,
    /// Trust domain of all identities.
    #[arg(long, value_name = "NAME", default_value = "cluster.local")]
    pub trust_domain: String,
    /// Lifetime of a certificate whose request names none.
    // istio: DEFAULT_WORKLOAD_CERT_TTL
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = parse_duration)]
    pub workload_cert_ttl: Duration,
    /// Longest lifetime that a request may ask for.
    // istio: MAX_WORKLOAD_CERT_TTL
    #[arg(long, value_name = "DURATION", default_value = "2160h", value_parser = parse_duration)]
    pub max_workload_cert_ttl: Duration,
    /// Names in the DNS that certificates of these accounts have beside their identity, for
    /// servers that are called from outside of the mesh: ACCOUNT.NAMESPACE:NAME.
    // istio: --custom-dns-names
    #[arg(long, value_name = "ACCOUNT.NAMESPACE:NAME", value_delimiter = ',')]
    pub custom_dns_names: Vec<String>,
    /// Level and form of the log.
    #[command(flatten)]
    pub log: LogFlags,
}

/// Why flags are refused.
#[derive(Debug, thiserror::Error)]
pub enum BadSettings {
    /// The trust domain.
    #[error("--trust-domain")]
    TrustDomain(#[from] IdentError),
    /// A further name.
    #[error("--custom-dns-names: {entry:?}: {why}")]
    DnsName {
        /// The entry.
        entry: String,
        /// What is wrong with it.
        why: String,
    },
    /// The lifetimes.
    #[error("--workload-cert-ttl, --max-workload-cert-ttl")]
    Lifetimes(#[from] BadLifetimes),
}

/// What citadel runs with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where certificates are asked for.
    pub address: SocketAddr,
    /// Where health and metrics are served.
    pub admin: SocketAddr,
    /// Directory of the CA.
    pub ca_dir: PathBuf,
    /// Directory of accepted tokens.
    pub accepted_tokens: PathBuf,
    /// Trust domain of all identities.
    pub trust_domain: TrustDomain,
    /// Lifetimes of certificates.
    pub lifetimes: Lifetimes,
    /// What else some accounts are called.
    pub dns_names: DnsNames,
}

impl TryFrom<Flags> for Settings {
    type Error = BadSettings;

    fn try_from(flags: Flags) -> Result<Self, BadSettings> {
        let trust_domain = TrustDomain::parse(&flags.trust_domain)?;
        Ok(Self {
            dns_names: dns_names(&flags.custom_dns_names, &trust_domain)?,
            address: flags.address,
            admin: flags.admin,
            ca_dir: flags.ca_dir,
            accepted_tokens: flags.accepted_tokens,
            trust_domain,
            lifetimes: Lifetimes::new(flags.workload_cert_ttl, flags.max_workload_cert_ttl)?,
        })
    }
}

fn dns_names(entries: &[String], trust_domain: &TrustDomain) -> Result<DnsNames, BadSettings> {
    let mut names = DnsNames::new();
    for entry in entries {
        let bad = |why: String| BadSettings::DnsName {
            entry: entry.clone(),
            why,
        };
        let form = || bad("expected ACCOUNT.NAMESPACE:NAME".to_owned());
        let (account, name) = entry.split_once(':').ok_or_else(form)?;
        let (account, namespace) = account.rsplit_once('.').ok_or_else(form)?;
        if account.is_empty() || namespace.is_empty() {
            return Err(form());
        }
        let account = ServiceAccount {
            namespace: namespace.into(),
            name: account.into(),
        };
        let name = DnsName::parse(name).map_err(|error| bad(error.to_string()))?;
        let identity = SpiffeId::of_workload(trust_domain, &account);
        names.entry(identity).or_default().push(name);
    }
    Ok(names)
}

#[cfg(test)]
mod tests;
