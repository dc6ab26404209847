//! Which of several pilots writes: the holder of a Lease, which is renewed while it lives.
//!
//! The rules are a state machine without I/O. Clocks of machines are not compared: a lease has run
//! out when it was seen unchanged for as long as it lasts. Every change of it is fenced by the
//! version that it was read at, so of two that take it the API server lets one through.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use http::Method;
use mesh_model::time::{Clock, rfc3339};
use mesh_runtime::Tasks;
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::access::Cluster;
use crate::fault::Fault;
use crate::server::Server;

/// How long others leave a lease to its holder. These three are client-go's.
const LASTS: Duration = Duration::from_secs(15);
/// How long the holder counts on it after it has asked for the last renewal that succeeded.
const COUNTS: Duration = Duration::from_secs(10);
/// Time between two looks at it.
const PAUSE: Duration = Duration::from_secs(2);

/// Whether this process is the one that writes.
#[derive(Clone)]
pub struct Leadership {
    until: Arc<Mutex<Option<Instant>>>,
    clock: Arc<dyn Clock>,
}

/// Which lease, and who we are.
#[derive(Debug, Clone)]
pub struct LeaseName {
    /// Namespace of the Lease.
    pub namespace: String,
    /// Name of the Lease.
    pub name: String,
    /// Our name, which no other process has.
    pub holder: String,
}

impl Leadership {
    /// Competes for a lease until `tasks` stop, and then gives it back.
    #[must_use]
    pub fn start(cluster: &Cluster, name: LeaseName, clock: Arc<dyn Clock>, tasks: &Tasks) -> Self {
        let leadership = Self {
            until: Arc::default(),
            clock,
        };
        let candidate = Candidate {
            server: cluster.server.clone(),
            election: Election::new(name.holder.clone()),
            name,
            leadership: leadership.clone(),
        };
        let stopping = tasks.stopping().clone();
        tasks.spawn("kube-lease", async move {
            candidate.run(stopping).await;
        });
        leadership
    }

    /// Whether it is so at this moment.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        let until = *self.until.lock();
        until.is_some_and(|until| self.clock.now() < until)
    }
}

/// What is to be done with the lease.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Move {
    /// There is none: make it.
    Create,
    /// Write ourselves into the one that was read at this version; `true` for a change of holder.
    Write { version: String, taken: bool },
    /// It is somebody else's.
    Leave,
}

/// The rules of who holds it.
#[derive(Debug)]
struct Election {
    me: String,
    /// The lease of another as it was seen last, and since when it has been like that.
    seen: Option<(Spec, Instant)>,
}

impl Election {
    const fn new(me: String) -> Self {
        Self { me, seen: None }
    }

    /// The lease was read.
    fn on_read(&mut self, now: Instant, found: Option<&Lease>) -> Move {
        let Some(lease) = found else {
            return Move::Create;
        };
        let write = |taken| Move::Write {
            version: lease.metadata.resource_version.clone(),
            taken,
        };
        let spec = &lease.spec;
        if spec.holder_identity.as_deref() == Some(self.me.as_str()) {
            return write(false);
        }
        if spec
            .holder_identity
            .as_deref()
            .unwrap_or_default()
            .is_empty()
        {
            return write(true);
        }
        let lasts = Duration::from_secs(spec.lease_duration_seconds.into());
        match &self.seen {
            Some((seen, since)) if seen == spec => {
                if now.saturating_duration_since(*since) >= lasts.max(LASTS) {
                    return write(true);
                }
            }
            Some(_) | None => self.seen = Some((spec.clone(), now)),
        }
        Move::Leave
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Lease {
    metadata: Meta,
    spec: Spec,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Meta {
    resource_version: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    holder_identity: Option<String>,
    lease_duration_seconds: u32,
    acquire_time: Option<String>,
    renew_time: Option<String>,
    lease_transitions: u32,
}

struct Candidate {
    server: Server,
    name: LeaseName,
    election: Election,
    leadership: Leadership,
}

impl Candidate {
    async fn run(mut self, stopping: tokio_util::sync::CancellationToken) {
        let mut complained = false;
        while !stopping.is_cancelled() {
            let turn = stopping.run_until_cancelled(self.turn()).await;
            match turn {
                Some(Ok(())) => complained = false,
                Some(Err(fault)) if !complained => {
                    tracing::warn!(error = %fault, lease = self.name.name, "lease cannot be kept");
                    complained = true;
                }
                Some(Err(_)) | None => {}
            }
            stopping
                .run_until_cancelled(tokio::time::sleep(PAUSE))
                .await;
        }
        if self.leadership.is_ours() {
            *self.leadership.until.lock() = None;
            if let Err(fault) = self.give_back().await {
                tracing::debug!(error = %fault, "lease was not given back");
            }
        }
    }

    /// Looks at the lease once and does what is to be done.
    async fn turn(&mut self) -> Result<(), Fault> {
        let asked = self.leadership.clock.now();
        let found = self.read().await?;
        let old = found
            .as_ref()
            .map(|lease| lease.spec.clone())
            .unwrap_or_default();
        let written = match self.election.on_read(asked, found.as_ref()) {
            Move::Create => {
                let body = self.body(&Spec::default(), None, true);
                let path = self.collection();
                self.server
                    .send(Method::POST, &path, "application/json", body)
                    .await
            }
            Move::Write { version, taken } => {
                self.put(&self.body(&old, Some(&version), taken)).await
            }
            Move::Leave => {
                *self.leadership.until.lock() = None;
                return Ok(());
            }
        };
        match written {
            Ok(_) => {
                *self.leadership.until.lock() = Some(asked + COUNTS);
                Ok(())
            }
            // Somebody was quicker; the next look tells who.
            Err(Fault::Conflict) => {
                *self.leadership.until.lock() = None;
                Ok(())
            }
            // It may have been written or not: what was renewed last counts until its time is over.
            Err(fault) => Err(fault),
        }
    }

    async fn give_back(&self) -> Result<(), Fault> {
        let Some(lease) = self.read().await? else {
            return Ok(());
        };
        if lease.spec.holder_identity.as_deref() != Some(self.name.holder.as_str()) {
            return Ok(());
        }
        let body = json!({
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {
                "name": self.name.name,
                "namespace": self.name.namespace,
                "resourceVersion": lease.metadata.resource_version,
            },
            "spec": {
                "holderIdentity": "",
                "leaseDurationSeconds": 1,
                "leaseTransitions": lease.spec.lease_transitions,
            },
        });
        self.put(body.to_string().as_bytes()).await.map(|_| ())
    }

    async fn read(&self) -> Result<Option<Lease>, Fault> {
        match self.server.read(&self.path()).await {
            Ok(text) => {
                let lease = serde_json::from_slice(&text);
                lease.map(Some).map_err(|error| Fault::unreadable(&error))
            }
            Err(Fault::Missing) => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    async fn put(&self, body: &[u8]) -> Result<bytes::Bytes, Fault> {
        self.server
            .send(Method::PUT, &self.path(), "application/json", body.to_vec())
            .await
    }

    fn body(&self, old: &Spec, version: Option<&str>, taken: bool) -> Vec<u8> {
        let now = micro_time(self.leadership.clock.wall());
        let acquired = match &old.acquire_time {
            Some(time) if !taken => time.clone(),
            Some(_) | None => now.clone(),
        };
        let lease: Value = json!({
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {
                "name": self.name.name,
                "namespace": self.name.namespace,
                "resourceVersion": version,
            },
            "spec": {
                "holderIdentity": self.name.holder,
                "leaseDurationSeconds": LASTS.as_secs(),
                "acquireTime": acquired,
                "renewTime": now,
                "leaseTransitions": old.lease_transitions + u32::from(taken && version.is_some()),
            },
        });
        lease.to_string().into_bytes()
    }

    fn collection(&self) -> String {
        let namespace = &self.name.namespace;
        format!("/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases")
    }

    fn path(&self) -> String {
        format!("{}/{}", self.collection(), self.name.name)
    }
}

/// The form that Kubernetes wants of a Lease's times: exactly six digits behind the second.
fn micro_time(moment: SystemTime) -> String {
    let micros = moment
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .subsec_micros();
    let seconds = rfc3339(moment);
    format!("{}.{micros:06}Z", seconds.trim_end_matches('Z'))
}

#[cfg(test)]
mod tests;
