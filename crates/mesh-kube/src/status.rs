//! Statuses: what became of each object, written where its author looks for it.
//!
//! Of several pilots one writes, by server-side apply, only what is different from what is there,
//! and a bounded number of objects per second. What the statuses say is a function of the snapshot.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use mesh_api::kinds::{self, Kind};
use mesh_model::name::ResourceKey;
use mesh_model::time::{Clock, rfc3339};
use mesh_runtime::Tasks;
use mesh_source::Snapshot;
use tokio::sync::watch;

use crate::access::Cluster;
use crate::fault::Fault;
use crate::lease::Leadership;
use crate::server::Server;
use content::{Status, Written};

mod content;
pub mod ingress;

/// Time between two writes: twenty a second.
const PAUSE: Duration = Duration::from_millis(50);
/// Time before anything is tried again, and between two looks at who leads.
const RETRY: Duration = Duration::from_secs(2);
/// Under this name the API server notes who owns which field.
pub(crate) const FIELD_MANAGER: &str = "mesh-pilot";
/// Objects per page of a list.
const PAGE: usize = 250;

/// Writes the statuses of what `snapshots` hold while `leadership` is ours, until `tasks` stop.
pub fn start(
    cluster: &Cluster,
    leadership: Leadership,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    clock: Arc<dyn Clock>,
    tasks: &Tasks,
) {
    let writer = Writer {
        server: cluster.server.clone(),
        leadership,
        snapshots,
        clock,
        written: BTreeMap::new(),
    };
    let stopping = tasks.stopping().clone();
    tasks.spawn("kube-status", async move {
        stopping.run_until_cancelled(writer.run()).await;
    });
}

struct Writer {
    server: Server,
    leadership: Leadership,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    clock: Arc<dyn Clock>,
    /// What the objects say of themselves, as far as we know.
    written: BTreeMap<ResourceKey, Written>,
}

impl Writer {
    async fn run(mut self) {
        loop {
            if !self.leadership.is_ours() {
                tokio::time::sleep(RETRY).await;
            } else if let Err(fault) = self.term().await {
                tracing::warn!(error = %fault, "statuses cannot be written");
                tokio::time::sleep(RETRY).await;
            }
        }
    }

    /// Writes while we lead. What others have written before is read first.
    async fn term(&mut self) -> Result<(), Fault> {
        self.written.clear();
        for kind in kinds::all().iter().filter(|kind| is_ours(kind)) {
            self.read(kind).await?;
        }
        while self.leadership.is_ours() {
            let snapshot = self.snapshots.borrow_and_update().clone();
            let wanted = content::statuses(&snapshot);
            self.written.retain(|key, _| wanted.contains_key(key));
            for (key, status) in wanted {
                let same = |written: &Written| written.says(&status);
                if self.written.get(&key).is_some_and(same) {
                    continue;
                }
                if !self.leadership.is_ours() {
                    return Ok(());
                }
                self.write(key, status).await?;
                tokio::time::sleep(PAUSE).await;
                if self.snapshots.has_changed().unwrap_or_default() {
                    break;
                }
            }
            let changed = tokio::time::timeout(RETRY, self.snapshots.changed()).await;
            // Without a source there is nothing left to say.
            if matches!(changed, Ok(Err(_))) {
                tokio::time::sleep(RETRY).await;
            }
        }
        Ok(())
    }

    /// Reads what the objects of a kind say; a kind that is not installed has none.
    async fn read(&mut self, kind: &'static Kind) -> Result<(), Fault> {
        for version in kind.versions {
            let mut token = None;
            loop {
                let path = page_of(kind, version, token.as_deref());
                let text = match self.server.read(&path).await {
                    Ok(text) => text,
                    Err(Fault::Missing) => break,
                    Err(fault) => return Err(fault),
                };
                let (page, next) = content::page(&text, kind)?;
                self.written.extend(page);
                match next {
                    Some(next) => token = Some(next),
                    None => return Ok(()),
                }
            }
        }
        Ok(())
    }

    async fn write(&mut self, key: ResourceKey, status: Status) -> Result<(), Fault> {
        let now = rfc3339(self.clock.wall());
        let written = Written::now(status, self.written.get(&key), now);
        let Some(path) = path_of(&key, &written) else {
            return Ok(());
        };
        let body = content::patch(&key, &written).to_string().into_bytes();
        let kind = "application/apply-patch+yaml";
        match self.server.send(Method::PATCH, &path, kind, body).await {
            // Deleted in the meantime: the source will tell.
            Ok(_) | Err(Fault::Missing) => {
                self.written.insert(key, written);
                Ok(())
            }
            // One object that is refused does not keep the others waiting.
            Err(Fault::Refused { code, text, .. }) if code < 500 && code != 429 => {
                tracing::warn!(resource = %key, code, error = text, "status was refused");
                self.written.insert(key, written);
                Ok(())
            }
            Err(fault) => Err(fault),
        }
    }
}

/// Whether the mesh says something of objects of this kind.
fn is_ours(kind: &Kind) -> bool {
    kind.group.ends_with(".istio.io") && kind.content != kinds::Content::Later
}

fn page_of(kind: &Kind, version: &str, token: Option<&str>) -> String {
    let Kind { group, plural, .. } = kind;
    let path = format!("/apis/{group}/{version}/{plural}?limit={PAGE}");
    token.map_or_else(|| path.clone(), |token| format!("{path}&continue={token}"))
}

fn path_of(key: &ResourceKey, written: &Written) -> Option<String> {
    let plural = kinds::find(&key.group, &key.kind)?.plural;
    let ResourceKey {
        namespace, name, ..
    } = key;
    let api = written.api_version();
    Some(format!(
        "/apis/{api}/namespaces/{namespace}/{plural}/{name}/status?fieldManager={FIELD_MANAGER}&force=true"
    ))
}

#[cfg(test)]
mod tests;
