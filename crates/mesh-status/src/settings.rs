//! Which ports answer, and what the injector said of the application.

use std::net::IpAddr;

use clap::Args;

use crate::probers::{BadProbers, Probers};
use crate::scrape::{BadScrape, Scrape};

/// Where probes of the application are described, by the path that the kubelet asks.
const PROBERS: &str = "ISTIO_KUBE_APP_PROBERS";
/// What the pod's annotations said of its metrics before the injection.
const ANNOTATIONS: &str = "ISTIO_PROMETHEUS_ANNOTATIONS";

/// The ports, as they are set on the command line.
#[derive(Debug, Clone, Default, Args)]
pub struct StatusFlags {
    /// Port, off loopback, of readiness, the application's probes and the metrics of both; 0 for none.
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub status_port: u16,
    /// Port, off loopback, of readiness alone; 0 for none.
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub envoy_status_port: u16,
    /// Port, off loopback, of the proxy's own metrics; 0 for none.
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub envoy_prometheus_port: u16,
}

/// What the injector hands over by environment variables; empty where it has nothing to say.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// `ISTIO_KUBE_APP_PROBERS`.
    pub probers: Option<String>,
    /// `ISTIO_PROMETHEUS_ANNOTATIONS`.
    pub annotations: Option<String>,
}

impl Environment {
    /// That of this process.
    #[must_use]
    pub fn of_process() -> Self {
        Self {
            probers: mesh_runtime::settings::environment(PROBERS),
            annotations: mesh_runtime::settings::environment(ANNOTATIONS),
        }
    }
}

/// What is answered, and where.
#[derive(Debug, Clone)]
pub struct StatusSettings {
    /// As set by the flags.
    pub(crate) ports: StatusFlags,
    /// Where the application is asked: the pod's own address.
    pub(crate) address: IpAddr,
    pub(crate) probers: Probers,
    pub(crate) scrape: Option<Scrape>,
}

/// Why these settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadStatus {
    /// The description of the application's probes is damaged.
    #[error("{PROBERS}: {0}")]
    Probers(#[from] BadProbers),
    /// The description of the application's metrics is damaged.
    #[error("{ANNOTATIONS}: {0}")]
    Scrape(#[from] BadScrape),
}

impl StatusSettings {
    /// Checks what was set; without a status port nobody asks for what the injector said.
    ///
    /// # Errors
    /// [`BadStatus`] with the variable and what is wrong with it.
    pub fn new(
        ports: StatusFlags,
        address: IpAddr,
        environment: &Environment,
    ) -> Result<Self, BadStatus> {
        let mut settings = Self {
            address,
            probers: Probers::default(),
            scrape: None,
            ports,
        };
        if settings.ports.status_port == 0 {
            return Ok(settings);
        }
        if let Some(probers) = &environment.probers {
            settings.probers = Probers::parse(probers)?;
        }
        if let Some(annotations) = &environment.annotations {
            settings.scrape = Scrape::parse(annotations, &settings.own_ports())?;
        }
        Ok(settings)
    }

    fn own_ports(&self) -> [u16; 3] {
        let ports = &self.ports;
        [
            ports.status_port,
            ports.envoy_status_port,
            ports.envoy_prometheus_port,
        ]
    }
}

#[cfg(test)]
mod tests;
