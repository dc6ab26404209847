//! The proxies that are measured side by side, each started in the shape a scenario needs.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use clap::ValueEnum;
use mesh_tests::Mesh;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::certificates::Certificates;
use crate::process::{Cores, Process, free_address};
use crate::scenario::{Shape, name_of};

mod envoy;
mod haproxy;
mod mesh;
mod nginx;
mod relay;

/// The services that clients call, by the names a mesh knows them under.
pub(crate) const HOST: &str = "server.default.svc.cluster.local:9080";
pub(crate) const GRPC_HOST: &str = "server.default.svc.cluster.local:9090";

/// Services that a proxy knows and never uses in the scenario of many clusters.
const MANY: usize = 1000;

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Peer {
    /// mesh-proxy in a whole mesh, with everything on.
    Mesh,
    /// Bytes copied, nothing read.
    Relay,
    /// Envoy with its router alone.
    Envoy,
    /// Envoy with filters as Istio configures them.
    EnvoyIstio,
    /// HAProxy.
    Haproxy,
    /// HAProxy with splice.
    HaproxySplice,
    /// nginx.
    Nginx,
}

/// Where static peers stand, and what they need.
pub(crate) struct Place<'a> {
    /// Where the load generator connects.
    pub(crate) front: SocketAddr,
    /// Where the second proxy of a pair listens.
    pub(crate) middle: SocketAddr,
    pub(crate) backend: SocketAddr,
    pub(crate) certificates: &'a Certificates,
    /// For configuration and messages.
    pub(crate) folder: &'a Path,
}

/// What a peer consists of: programs with arguments, in the order of the way of a request.
pub(crate) struct Programs {
    /// None: this program.
    pub(crate) program: Option<PathBuf>,
    pub(crate) arguments: Vec<Vec<String>>,
}

/// A peer that takes load.
pub(crate) struct Running {
    /// Where the load goes.
    pub(crate) to: SocketAddr,
    /// Processes whose time and memory count.
    pub(crate) pids: Vec<i32>,
    /// A folder of certificates for clients with TLS.
    pub(crate) certificates: PathBuf,
    /// The protocols that clients with TLS offer.
    pub(crate) alpn: &'static str,
    _processes: Vec<Process>,
    _folder: TempDir,
    _mesh: Option<Mesh>,
}

impl Peer {
    /// Its name on the command line and in results.
    pub(crate) fn name(self) -> String {
        name_of(self)
    }

    /// Why it cannot take part on this machine.
    pub(crate) fn missing(self) -> Option<&'static str> {
        match self {
            Self::Mesh | Self::Relay => None,
            Self::Envoy | Self::EnvoyIstio => {
                (envoy::program().is_none()).then_some(envoy::MISSING)
            }
            Self::Haproxy | Self::HaproxySplice => {
                (haproxy::program().is_none()).then_some(haproxy::MISSING)
            }
            Self::Nginx => (nginx::program().is_none()).then_some(nginx::MISSING),
        }
    }

    /// Starts it, and waits until it takes connections.
    pub(crate) fn start(self, shape: Shape, backend: SocketAddr, cores: Cores) -> Result<Running> {
        if self == Self::Mesh {
            return mesh::start(shape, cores);
        }
        let folder = TempDir::new()?;
        let certificates = Certificates::write(folder.path())?;
        let place = Place {
            front: free_address()?,
            middle: free_address()?,
            backend,
            certificates: &certificates,
            folder: folder.path(),
        };
        let programs = match self {
            Self::Mesh | Self::Relay => relay::programs(shape, &place),
            Self::Envoy => envoy::programs(shape, &place, envoy::Filters::Router)?,
            Self::EnvoyIstio => envoy::programs(shape, &place, envoy::Filters::Istio)?,
            Self::Haproxy => haproxy::programs(shape, &place, haproxy::Copy::Buffers)?,
            Self::HaproxySplice => haproxy::programs(shape, &place, haproxy::Copy::Splice)?,
            Self::Nginx => nginx::programs(shape, &place)?,
        };
        let processes = start_all(&programs, &place, cores)?;
        Ok(Running {
            to: place.front,
            pids: processes.iter().map(Process::pid).collect(),
            certificates: folder.path().to_owned(),
            alpn: "http/1.1",
            _processes: processes,
            _folder: folder,
            _mesh: None,
        })
    }
}

fn start_all(programs: &Programs, place: &Place<'_>, cores: Cores) -> Result<Vec<Process>> {
    ensure!(!programs.arguments.is_empty(), "a peer without processes");
    let mut processes = Vec::new();
    for (arguments, address) in programs.arguments.iter().zip([place.front, place.middle]) {
        let mut process = match &programs.program {
            Some(program) => Process::start(cores.proxy, program, arguments, place.folder)?,
            None => Process::start_own(cores.proxy, arguments, place.folder)?,
        };
        process.accepts(address)?;
        processes.push(process);
    }
    Ok(processes)
}

/// A program on the `PATH`, or where Debian puts what is for administrators.
fn on_path(name: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders)
        .chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
}

/// Names of services that nobody calls.
fn unused_services() -> impl Iterator<Item = String> {
    (0..MANY).map(|number| format!("service-{number}.default.svc.cluster.local"))
}
