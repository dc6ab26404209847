//! Flags, and the settings that they become once they were checked.

pub mod drain;

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use clap::{Parser, ValueEnum};
use mesh_identity::{BadIdentity, IdentityFlags, IdentitySettings};
use mesh_model::Str;
use mesh_runtime::log::LogFlags;
use mesh_status::{BadStatus, Environment, StatusFlags, StatusSettings};

use crate::bootstrap::Bootstrap;
use crate::config::{Interception, Role, Workload};
use crate::settings::drain::{DrainFlags, DrainSettings};
use crate::worker::overload::settings::{OverloadFlags, OverloadSettings};

/// The data plane of mesh: a sidecar beside a workload, or a gateway.
///
/// `mesh-proxy bootstrap` runs from a file of Envoy's, `mesh-proxy capture` redirects a pod's connections to it,
/// `mesh-proxy wait` waits until it is ready; each has a `--help` of its own.
#[derive(Debug, Clone, Parser)]
#[command(name = "mesh-proxy", version)]
// istio: a pod that names no service account has the one named default.
#[command(mut_arg("service_account", |flag| flag.required(false).default_value("default")))]
pub struct Flags {
    /// What the proxy does: sidecar stands beside a workload, router is a gateway.
    #[arg(long, value_enum, default_value_t)]
    pub role: RoleFlag,
    /// Name of the pod.
    #[arg(long, value_name = "POD")]
    pub name: String,
    /// Address of the pod.
    #[arg(long, value_name = "IP")]
    pub address: IpAddr,
    /// Name of the Deployment or other owner of the pod.
    #[arg(long, value_name = "DEPLOYMENT")]
    pub workload: String,
    /// A label of the pod; repeat for more.
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = parse_label)]
    pub labels: Vec<(String, String)>,
    /// DNS suffix of services.
    #[arg(long, default_value = "cluster.local")]
    pub domain: String,
    /// How the pod's connections come to the proxy: REDIRECT where `mesh-proxy capture` redirects
    /// them, NONE where listeners of its own are called.
    #[arg(long, value_enum, value_name = "MODE", default_value_t)]
    pub interception_mode: Interception,
    /// Whose certificate to obtain, and how.
    #[command(flatten)]
    pub identity: IdentityFlags,
    /// Where pilot serves configuration.
    #[arg(long, value_name = "HOST:PORT")]
    pub xds_address: String,
    /// Folder of this proxy alone where the last good configuration is kept: with it the proxy starts while pilot is away.
    #[arg(long, value_name = "FOLDER")]
    pub config_cache: Option<PathBuf>,
    /// Where mixer takes telemetry; without it none is sent.
    #[arg(long, value_name = "HOST:PORT")]
    pub telemetry_address: Option<String>,
    /// Where the admin pages are served; keep it on loopback.
    #[arg(long, value_name = "HOST:PORT")]
    pub admin: SocketAddr,
    /// Worker threads.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub concurrency: u16,
    /// Where requests are logged: a file, or - for the standard output. Without it they are not.
    #[arg(long, value_name = "FILE")]
    pub access_log: Option<PathBuf>,
    /// How it ends.
    #[command(flatten)]
    pub drain: DrainFlags,
    /// What is answered off loopback.
    #[command(flatten)]
    pub status: StatusFlags,
    /// What the proxy may use.
    #[command(flatten)]
    pub overload: OverloadFlags,
    /// Level and form of the log.
    #[command(flatten)]
    pub log: LogFlags,
}

/// What the proxy does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum RoleFlag {
    /// Stands beside one workload.
    #[default]
    Sidecar,
    /// Stands alone.
    Router,
}

/// What a proxy runs with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The workload that it stands for.
    pub workload: Workload,
    /// Who tells it what to do.
    pub told: Told,
    /// Where the last good configuration is kept, if it is.
    pub config_cache: Option<PathBuf>,
    /// Where the admin pages are served, if they are.
    pub admin: Option<SocketAddr>,
    /// Worker threads.
    pub concurrency: usize,
    /// Where requests are logged.
    pub access_log: Option<PathBuf>,
    /// How it ends.
    pub drain: DrainSettings,
    /// What is answered off loopback.
    pub status: StatusSettings,
    /// What the proxy may use.
    pub overload: OverloadSettings,
}

/// Who tells a proxy what to do.
#[derive(Debug, Clone)]
pub enum Told {
    /// The control plane of its mesh.
    Mesh(Box<MeshSettings>),
    /// A file of its own, and the server that is named there.
    Bootstrap(Box<Bootstrap>),
}

/// How a proxy belongs to a mesh.
#[derive(Debug, Clone)]
pub struct MeshSettings {
    /// How it gets its certificate.
    pub identity: IdentitySettings,
    /// Where pilot serves configuration.
    pub xds_address: String,
    /// Where mixer takes telemetry.
    pub telemetry_address: Option<String>,
}

/// Why flags, or what stands in the environment beside them, cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadSettings {
    /// The identity makes no sense.
    #[error(transparent)]
    Identity(#[from] BadIdentity),
    /// What the injector said of the application makes none.
    #[error(transparent)]
    Status(#[from] BadStatus),
}

impl TryFrom<Flags> for Settings {
    type Error = BadSettings;

    fn try_from(flags: Flags) -> Result<Self, BadSettings> {
        let identity = IdentitySettings::try_from(flags.identity)?;
        let environment = Environment::of_process();
        let status = StatusSettings::new(flags.status, flags.address, &environment)?;
        let workload = Workload {
            role: match flags.role {
                RoleFlag::Sidecar => Role::Sidecar,
                RoleFlag::Router => Role::Router,
            },
            name: Str::from(&flags.name),
            owner: Str::from(&flags.workload),
            account: identity.account.clone(),
            trust_domain: identity.trust_domain.clone(),
            address: flags.address,
            labels: flags
                .labels
                .iter()
                .map(|(key, value)| (key.as_str(), value.as_str()))
                .collect(),
            domain: Str::from(&flags.domain),
            interception: flags.interception_mode,
        };
        Ok(Self {
            workload,
            told: Told::Mesh(Box::new(MeshSettings {
                identity,
                xds_address: flags.xds_address,
                telemetry_address: flags.telemetry_address,
            })),
            config_cache: flags.config_cache,
            admin: Some(flags.admin),
            concurrency: usize::from(flags.concurrency),
            // Lines for the null device are not even made.
            access_log: flags
                .access_log
                .filter(|file| file != Path::new("/dev/null")),
            drain: flags.drain.into(),
            status,
            overload: flags.overload.into(),
        })
    }
}

fn parse_label(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(key, _)| !key.is_empty());
    let (key, value) = pair.ok_or_else(|| format!("{text:?} is no KEY=VALUE"))?;
    Ok((key.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests;
