//! `mesh-proxy bootstrap`: its flags, which are Envoy's where Envoy has them.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use anyhow::Context;
use clap::{Parser, ValueEnum};
use mesh_model::Str;
use mesh_model::ident::{ServiceAccount, TrustDomain};
use mesh_runtime::log::LogFlags;
use mesh_status::{Environment, StatusFlags, StatusSettings};

use crate::bootstrap::{Bootstrap, name_of};
use crate::config::{Interception, Role, Workload};
use crate::settings::drain::DrainFlags;
use crate::settings::{Settings, Told};
use crate::worker::overload::settings::OverloadFlags;

/// Runs from a bootstrap file of Envoy's: with listeners and clusters that stand in it, and those of the ADS server
/// that it names.
#[derive(Debug, Clone, Parser)]
#[command(name = "mesh-proxy bootstrap", version)]
pub struct BootstrapFlags {
    /// The file, YAML or JSON.
    #[arg(short, long, value_name = "FILE")]
    pub config_path: PathBuf,
    /// What to do with it.
    #[arg(long, value_enum, default_value_t)]
    pub mode: Mode,
    /// Worker threads.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub concurrency: u16,
    /// Takes the place of node.id.
    #[arg(long, value_name = "ID")]
    pub service_node: Option<String>,
    /// Takes the place of node.cluster.
    #[arg(long, value_name = "NAME")]
    pub service_cluster: Option<String>,
    /// Folder of this proxy alone where the last good configuration is kept: with it the proxy starts while the server is away.
    #[arg(long, value_name = "FOLDER")]
    pub config_cache: Option<PathBuf>,
    /// How it ends.
    #[command(flatten)]
    pub drain: DrainFlags,
    /// What the proxy may use.
    #[command(flatten)]
    pub overload: OverloadFlags,
    /// Level and form of the log.
    #[command(flatten)]
    pub log: LogFlags,
}

/// What is done with a bootstrap file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Mode {
    /// Runs from it.
    #[default]
    Serve,
    /// Says whether it could.
    Validate,
}

impl BootstrapFlags {
    /// What to run with.
    ///
    /// # Errors
    /// Names the file, and in it the field that cannot be used.
    pub fn settings(self) -> anyhow::Result<Settings> {
        let path = self.config_path.display();
        let text = std::fs::read_to_string(&self.config_path)
            .with_context(|| format!("--config-path {path}"))?;
        let bootstrap = Bootstrap::read_as(&text, self.service_node, self.service_cluster)
            .with_context(|| format!("--config-path {path}"))?;
        if self.config_cache.is_some() && bootstrap.server.is_none() {
            anyhow::bail!(
                "--config-cache: {path} names no server whose configuration could be kept"
            );
        }
        Ok(Settings {
            workload: workload(&bootstrap)?,
            config_cache: self.config_cache,
            admin: bootstrap.admin,
            told: Told::Bootstrap(Box::new(bootstrap)),
            concurrency: usize::from(self.concurrency),
            access_log: None,
            drain: self.drain.into(),
            status: StatusSettings::new(
                StatusFlags::default(),
                workload_address(),
                &Environment::default(),
            )?,
            overload: self.overload.into(),
        })
    }
}

/// A file says nothing of it, and nobody asks.
const fn workload_address() -> IpAddr {
    IpAddr::V4(Ipv4Addr::LOCALHOST)
}

/// The workload that the proxy stands for, as far as a node says one.
fn workload(bootstrap: &Bootstrap) -> anyhow::Result<Workload> {
    let node = &bootstrap.node;
    Ok(Workload {
        role: Role::Router,
        name: name_of(node),
        owner: Str::from(&node.cluster),
        account: ServiceAccount::new("default", "default")?,
        trust_domain: TrustDomain::parse("cluster.local")?,
        address: workload_address(),
        labels: std::iter::empty::<(&str, &str)>().collect(),
        domain: "cluster.local".into(),
        interception: Interception::None,
    })
}
