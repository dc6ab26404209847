//! Flags, and the settings that they become once they were checked.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use mesh_identity::settings::{CITADEL_ACCOUNT, SYSTEM_NAMESPACE};
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
    /// Directory of the CA: ca-key.pem, ca-cert.pem, root-cert.pem and, if it is no root,
    /// cert-chain.pem; or tls.key, tls.crt, ca.crt. If there are none of these a root is made: here,
    /// or, with a cluster, in the secret istio-ca-secret.
    // istio: ROOT_CA_DIR
    #[arg(long, value_name = "DIR")]
    pub ca_dir: Option<PathBuf>,
    /// Directory of accepted tokens; it is watched.
    #[arg(long, value_name = "DIR")]
    pub accepted_tokens: Option<PathBuf>,
    /// Kubeconfig file of the cluster to serve: tokens of its service accounts are accepted, its
    /// namespaces get the roots. In a pod, without this and without accepted tokens, it is the
    /// pod's own cluster.
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Serves the cluster of this pod also beside accepted tokens.
    #[arg(long, conflicts_with = "kubeconfig")]
    pub in_cluster: bool,
    /// Namespace of citadel in the cluster, where it keeps the root that it made.
    // istio: --citadel-storage-namespace
    #[arg(long, value_name = "NS", default_value = SYSTEM_NAMESPACE)]
    pub namespace: String,
    /// Audiences of which a cluster's token must have one.
    // istio: TOKEN_AUDIENCES
    #[arg(
        long,
        value_name = "NAME",
        value_delimiter = ',',
        default_value = "istio-ca"
    )]
    pub token_audiences: Vec<String>,
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

/// Where the program was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surroundings {
    /// In a pod of a cluster.
    Pod,
    /// Anywhere else.
    Machine,
}

/// The cluster that is asked, if one is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// None.
    None,
    /// The one that a kubeconfig file names.
    Kubeconfig(PathBuf),
    /// The one that this pod is in.
    ThisPod,
}

/// Why flags are refused.
#[derive(Debug, thiserror::Error)]
pub enum BadSettings {
    /// Nobody could prove to be anybody.
    #[error(
        "--accepted-tokens is missing: without a cluster (--kubeconfig, or a pod) no other tokens \
         can be checked"
    )]
    NoTokens,
    /// There is no place for a CA.
    #[error("--ca-dir is missing: without a cluster there is no other place for the CA")]
    NoCa,
    /// The namespace.
    #[error("--namespace")]
    Namespace(#[source] IdentError),
    /// Tokens that are meant for somebody else would be accepted.
    #[error("--token-audiences: an audience is empty")]
    NoAudience,
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
    /// Directory of the CA. There is one if there is no cluster.
    pub ca_dir: Option<PathBuf>,
    /// Citadel's namespace in the cluster.
    pub namespace: String,
    /// Directory of accepted tokens.
    pub accepted_tokens: Option<PathBuf>,
    /// The cluster whose tokens are accepted.
    pub cluster: Access,
    /// Audiences of which a cluster's token must have one; not empty.
    pub token_audiences: Vec<String>,
    /// Trust domain of all identities.
    pub trust_domain: TrustDomain,
    /// Lifetimes of certificates.
    pub lifetimes: Lifetimes,
    /// What else some accounts are called.
    pub dns_names: DnsNames,
}

impl Settings {
    /// Checks the flags of a program that was started in `surroundings`.
    ///
    /// # Errors
    /// [`BadSettings`].
    pub fn new(flags: Flags, surroundings: Surroundings) -> Result<Self, BadSettings> {
        let trust_domain = TrustDomain::parse(&flags.trust_domain)?;
        let cluster = match (flags.kubeconfig, &flags.accepted_tokens, surroundings) {
            (Some(file), ..) => Access::Kubeconfig(file),
            (None, ..) if flags.in_cluster => Access::ThisPod,
            // A mesh of one machine may itself be started in a pod, whose cluster is not its own.
            (None, None, Surroundings::Pod) => Access::ThisPod,
            (None, None, Surroundings::Machine) => return Err(BadSettings::NoTokens),
            (None, Some(_), _) => Access::None,
        };
        if flags.ca_dir.is_none() && cluster == Access::None {
            return Err(BadSettings::NoCa);
        }
        ServiceAccount::new(&flags.namespace, CITADEL_ACCOUNT).map_err(BadSettings::Namespace)?;
        if flags.token_audiences.iter().any(String::is_empty) {
            return Err(BadSettings::NoAudience);
        }
        Ok(Self {
            cluster,
            token_audiences: flags.token_audiences,
            dns_names: dns_names(&flags.custom_dns_names, &trust_domain)?,
            address: flags.address,
            admin: flags.admin,
            ca_dir: flags.ca_dir,
            namespace: flags.namespace,
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
