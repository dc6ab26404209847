//! The running mesh that a command speaks with: its state folder, its supervisor, its pilot.

use std::fs::{File, OpenOptions};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

use mesh_kube::Cluster;
use mesh_model::name::ResourceKey;
use serde::Deserialize;

use crate::cli::Global;
use crate::embedded::config::Store;
use crate::embedded::control::{Answer, Verb, ask};
use crate::embedded::http::fetch;
use crate::embedded::state_dir::StateDir;
use crate::embedded::status::Status;
use crate::error::{CommandError, at_path};

/// How long pilot may take to answer.
const ANSWER: Duration = Duration::from_secs(2);

/// A mesh whose supervisor answered.
#[derive(Debug)]
pub(crate) struct Mesh {
    /// Its state folder.
    pub(crate) dir: StateDir,
    /// What ran when it was asked.
    pub(crate) status: Status,
}

impl Mesh {
    /// Finds the mesh that the flags mean.
    ///
    /// # Errors
    /// When none runs there.
    pub(crate) async fn find(global: &Global) -> Result<Self, CommandError> {
        let dir = StateDir::locate(global.state.as_deref())?;
        match ask(&dir, Verb::Status).await? {
            Answer::Status(status) => Ok(Self { dir, status }),
            Answer::Done(_) | Answer::Failed { .. } => Err(CommandError::unreachable(
                "the supervisor did not answer with a status",
            )),
        }
    }

    /// The same for a command of local meshes alone; `instead` is what does its work in a cluster.
    ///
    /// # Errors
    /// When none runs there, with that word where a cluster may have been meant.
    pub(crate) async fn local(global: &Global, instead: &str) -> Result<Self, CommandError> {
        let found = Self::find(global).await;
        found.map_err(|error| or_in_cluster(error, global, instead))
    }

    /// Pilot's admin address, while pilot runs.
    pub(crate) fn pilot(&self) -> Option<SocketAddr> {
        self.status.pilot()
    }

    /// Keeps other commands from changing the configuration until the value is dropped.
    ///
    /// # Errors
    /// When the lock's file cannot be made.
    pub(crate) fn lock_config(&self) -> Result<File, CommandError> {
        let path = self.dir.path("run/config.lock");
        let mut options = OpenOptions::new();
        let file = options
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path);
        let file = file.map_err(|error| at_path(&path, &error))?;
        rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive)
            .map_err(|error| at_path(&path, &error.into()))?;
        Ok(file)
    }

    /// The configuration and the objects that stand for Kubernetes.
    ///
    /// # Errors
    /// When a folder cannot be read.
    pub(crate) fn stores(&self) -> Result<(Store, Store), CommandError> {
        Ok((Store::config(&self.dir)?, Store::cluster(&self.dir)?))
    }
}

/// Adds what does it in a cluster, if there is one and no local mesh was named.
pub(crate) fn or_in_cluster(error: CommandError, global: &Global, instead: &str) -> CommandError {
    match global.state.is_none() && Cluster::is_configured() {
        true => error.hint(instead),
        false => error,
    }
}

/// What pilot says of the configuration: its page `/debug/config_status`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct ConfigStatus {
    /// Every object of the configuration.
    pub(crate) objects: Vec<ObjectStatus>,
    /// Every file that cannot be read.
    pub(crate) broken: Vec<BrokenStatus>,
    /// Every proxy that is connected.
    pub(crate) proxies: Vec<ProxyStatus>,
}

/// A file that cannot be read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct BrokenStatus {
    /// Which file.
    pub(crate) origin: String,
    /// Why.
    pub(crate) message: String,
}

/// One object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct ObjectStatus {
    /// Its API group.
    pub(crate) group: String,
    /// Its kind, as written.
    pub(crate) kind: String,
    /// Its namespace.
    pub(crate) namespace: String,
    /// Its name.
    pub(crate) name: String,
    /// What became of it.
    pub(crate) state: String,
    /// A digest of it as pilot read it last.
    pub(crate) content: String,
    /// Why.
    pub(crate) messages: Vec<String>,
}

/// One proxy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct ProxyStatus {
    /// Its name.
    pub(crate) proxy: String,
    /// Whether it has all that pilot wants it to have.
    pub(crate) synced: bool,
    /// What it refused, if it did.
    pub(crate) error: Option<String>,
}

impl ConfigStatus {
    /// Asks pilot; nothing when it does not answer.
    pub(crate) async fn ask(pilot: SocketAddr) -> Option<Self> {
        let (status, body) = fetch(pilot, "/debug/config_status", ANSWER).await.ok()?;
        let page = (status == 200).then(|| serde_json::from_slice(&body))?;
        page.inspect_err(|error| tracing::debug!(%error, "pilot's page is not understood"))
            .ok()
    }

    /// What it says of one object.
    pub(crate) fn object(&self, key: &ResourceKey) -> Option<&ObjectStatus> {
        self.objects.iter().find(|one| {
            key.group == one.group.as_str()
                && key.kind == one.kind.as_str()
                && key.namespace == one.namespace.as_str()
                && key.name == one.name.as_str()
        })
    }
}

impl ObjectStatus {
    /// Which object it is.
    pub(crate) fn key(&self) -> ResourceKey {
        ResourceKey {
            group: self.group.as_str().into(),
            kind: self.kind.as_str().into(),
            namespace: self.namespace.as_str().into(),
            name: self.name.as_str().into(),
        }
    }

    /// Whether it is in force as it was written last.
    pub(crate) fn is_in_force(&self) -> bool {
        self.state == "InForce"
    }

    /// Why it is as it is, without the object's own name before each sentence.
    pub(crate) fn why(&self, key: &ResourceKey) -> String {
        let own = format!("{key}: ");
        let sentences = self
            .messages
            .iter()
            .map(|text| text.strip_prefix(&own).unwrap_or(text));
        sentences.collect::<Vec<_>>().join("; ")
    }
}
