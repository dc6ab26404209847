//! From xDS to the configuration in force: compiles what comes, refuses what cannot be used, and
//! replaces the configuration as a whole.
//!
//! Of a refused resource the last good version stays. Without a server everything stays.

use std::sync::Arc;

use mesh_model::Str;
use mesh_model::time::Clock;
use mesh_proto::any::unpack;
use mesh_runtime::{Tasks, heap};
use mesh_traffic::{Cluster, Config, Endpoints, Listener, Reject, RouteTable, Secret};
use mesh_xds::Kind;
use mesh_xds::client::{Applied, Asking, ChannelMaker, Client, Handler, Rejection, Update, Upsert};

use crate::bootstrap::list_of;
use crate::config::files::Files;
use crate::config::names::Names;
use crate::config::warm::{Newest, Wanted};
use crate::config::{Cache, Catalog, LiveConfig};

/// An update of so many bytes leaves as much behind that is worth giving back.
const LARGE: usize = 64 << 10;

/// Why a server's resource is refused that the proxy's own file has.
const IN_FILE: &str = "stands in the bootstrap file, which no server changes";

/// A resource of a bootstrap file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{list}: {rejection}")]
pub struct BadFile {
    list: &'static str,
    rejection: Rejection,
}

/// Takes updates and puts them in force.
pub struct Feed {
    live: Arc<LiveConfig>,
    catalog: Catalog,
    clock: Arc<dyn Clock>,
    newest: Newest,
    wanted: Wanted,
    files: Files,
    names: Names,
    cache: Option<Cache>,
    /// What came from the cache: type, name and version.
    held: Vec<(Kind, String, String)>,
}

impl Feed {
    /// A feed of this configuration.
    #[must_use]
    pub fn new(live: Arc<LiveConfig>, catalog: Catalog, clock: Arc<dyn Clock>) -> Self {
        let names = Names::new(live.clone(), catalog.clone());
        Self {
            live,
            catalog,
            clock,
            newest: Newest::default(),
            wanted: Wanted::default(),
            files: Files::default(),
            names,
            cache: None,
            held: Vec::new(),
        }
    }

    /// A feed that begins with what stands in a file, of which no server changes anything.
    ///
    /// # Errors
    /// Names the first resource that cannot be used, and its field.
    pub fn with_file(mut self, resources: &[(Kind, Upsert)]) -> Result<Self, BadFile> {
        let now = self.clock.wall();
        for (kind, upsert) in resources {
            self.take(*kind, upsert).map_err(|rejection| BadFile {
                list: list_of(*kind),
                rejection,
            })?;
            self.catalog
                .accept(*kind, &upsert.name, &upsert.version, now);
            self.newest.keep(*kind, &upsert.name);
        }
        Ok(self)
    }

    /// A feed that begins with what its last run left in a cache, and keeps that in step with what the server says.
    #[must_use]
    pub fn with_cache(mut self, cache: Cache, left: Vec<(Kind, Upsert)>) -> Self {
        let now = self.clock.wall();
        self.cache = Some(cache);
        for (kind, upsert) in left {
            if self.newest.is_kept(kind, &upsert.name) {
                continue;
            }
            if let Err(rejection) = self.take(kind, &upsert) {
                // The server hears that we do not have it.
                tracing::warn!(%rejection, "the last good configuration is not good any more");
                continue;
            }
            self.newest.answered(kind, &upsert.name);
            self.catalog
                .accept(kind, &upsert.name, &upsert.version, now);
            self.held.push((kind, upsert.name, upsert.version));
        }
        self
    }

    /// Feeds on nothing but its file.
    ///
    /// # Errors
    /// When the file asks for something that nobody sends.
    pub fn start_alone(self, tasks: &Tasks) -> anyhow::Result<()> {
        let feed = self.complete()?;
        feed.files.follow(feed.live.clone(), tasks);
        feed.names.follow(tasks);
        Ok(())
    }

    /// Puts in force what stands in the file, if that is all there is.
    ///
    /// # Errors
    /// When the file asks for something that nobody sends.
    pub fn complete(mut self) -> anyhow::Result<Self> {
        self.begin(&[]);
        let wanted = self.wanted.names();
        if let Some(name) = wanted.iter().flat_map(|(_, names)| names).next() {
            anyhow::bail!(
                "{name} is to be asked for, and dynamic_resources.ads_config names no server"
            );
        }
        Ok(self)
    }

    /// Connects to a server and feeds on what it sends, until the tasks are stopped.
    pub fn start(mut self, channel: ChannelMaker, asking: Asking, tasks: &Tasks) -> Client {
        self.begin(&asking.all_of);
        self.files.clone().follow(self.live.clone(), tasks);
        self.names.clone().follow(tasks);
        let asking = Asking {
            names: self.wanted.names(),
            held: std::mem::take(&mut self.held),
            ..asking
        };
        Client::start(channel, asking, self, tasks)
    }

    /// Puts in force what there is before anybody is asked: of these types everything.
    fn begin(&mut self, all_of: &[Kind]) {
        let others = [Kind::Cluster, Kind::Listener];
        let from_cache = !self.held.is_empty();
        for kind in others
            .iter()
            .filter(|kind| from_cache || !all_of.contains(kind))
        {
            self.newest.heard_of(*kind);
        }
        if self.newest.is_empty() {
            return;
        }
        self.put_in_force();
        if from_cache && self.newest.lack_what_the_cache_lacks(&self.wanted) {
            self.put_in_force();
        }
    }

    /// Takes one resource.
    fn take(&mut self, kind: Kind, upsert: &Upsert) -> Result<(), Rejection> {
        let name = Str::from(upsert.name.as_str());
        match kind {
            Kind::Cluster => {
                let cluster = compile(upsert, Cluster::compile, |cluster| &cluster.name)?;
                let cluster = match self.newest.clusters.get(&name) {
                    Some(before) => cluster.following(before),
                    None => cluster,
                };
                self.newest.clusters.insert(name, Arc::new(cluster));
            }
            Kind::Endpoint => {
                let endpoints = compile(upsert, Endpoints::compile, |endpoints| &endpoints.name)?;
                self.newest.endpoints.insert(name, Arc::new(endpoints));
            }
            Kind::Listener => {
                let listener = compile(upsert, Listener::compile, |listener| &listener.name)?;
                let listener = match self.newest.listeners.get(&name) {
                    Some(before) => listener.following(before),
                    None => listener,
                };
                self.newest.listeners.insert(name, Arc::new(listener));
            }
            Kind::Route => {
                let table = compile(upsert, RouteTable::compile, |table| &table.name)?;
                let table = match self.newest.routes.get(&name) {
                    Some(before) => table.following(before),
                    None => table,
                };
                self.newest.routes.insert(name, Arc::new(table));
            }
            Kind::Secret => {
                let secret = compile(upsert, Secret::compile, |secret| &secret.name)?;
                self.newest.secrets.insert(name, Arc::new(secret));
            }
        }
        Ok(())
    }

    /// Replaces the configuration in force by what the newest resources make of it.
    fn put_in_force(&mut self) {
        // No listener is in force before somebody has looked for its files.
        self.files.want(&self.newest.files(&self.live.current()));
        let after = self.live.change(|before| Config {
            files: self.files.found(),
            ..self.newest.in_force(before)
        });
        let before = std::mem::replace(&mut self.wanted, self.newest.wanted(&after));
        self.newest.keep_only(&self.wanted);
        let is_complete = || self.newest.is_complete(&self.wanted);
        if let Some(cache) = &mut self.cache {
            cache.note(Vec::new(), before.without(&self.wanted));
            if is_complete() {
                cache.is_whole();
            }
        }
        if !self.catalog.is_ready() && is_complete() {
            self.names.rest_is_complete();
        }
    }
}

impl Handler for Feed {
    fn apply(&mut self, update: Update) -> Applied {
        let now = self.clock.wall();
        let kind = update.kind;
        let mut rejections = Vec::new();
        let sizes = update.upserts.iter().map(|upsert| upsert.any.value.len());
        let is_large = sizes.sum::<usize>() >= LARGE;
        let mut accepted = Vec::new();
        self.newest.heard_of(kind);
        for upsert in update.upserts {
            self.newest.answered(kind, &upsert.name);
            if self.newest.is_kept(kind, &upsert.name) {
                rejections.push(reject(&upsert.name, "name", IN_FILE));
                continue;
            }
            match self.take(kind, &upsert) {
                Ok(()) => {
                    self.catalog
                        .accept(kind, &upsert.name, &upsert.version, now);
                    if self.cache.is_some() {
                        accepted.push((kind, upsert));
                    }
                }
                Err(rejection) => {
                    self.catalog.refuse(kind, &rejection, &upsert.version, now);
                    rejections.push(rejection);
                }
            }
        }
        for name in &update.removals {
            if self.newest.is_kept(kind, name) {
                continue;
            }
            self.newest.answered(kind, name);
            self.newest.remove(kind, name);
            self.catalog.remove(kind, name);
        }
        if let Some(cache) = &mut self.cache {
            let removals = update.removals.into_iter();
            cache.note(accepted, removals.map(|name| (kind, name)).collect());
        }
        self.put_in_force();
        if is_large {
            heap::after_burst();
        }
        Applied {
            rejections,
            wanted: self.wanted.names(),
        }
    }
}

/// Reads and compiles a resource, which must have the name under which it was sent.
fn compile<M, T>(
    upsert: &Upsert,
    compile: impl FnOnce(&M) -> Result<T, Reject>,
    name: impl FnOnce(&T) -> &Str,
) -> Result<T, Rejection>
where
    M: prost::Message + prost::Name + Default,
{
    let message: M =
        unpack(&upsert.any).map_err(|error| reject(&upsert.name, "", &error.to_string()))?;
    let compiled =
        compile(&message).map_err(|error| reject(&upsert.name, &error.field, &error.why))?;
    let called = name(&compiled);
    if *called != *upsert.name.as_str() {
        let why = format!("the resource calls itself {called:?}");
        return Err(reject(&upsert.name, "name", &why));
    }
    Ok(compiled)
}

fn reject(resource: &str, field: &str, why: &str) -> Rejection {
    Rejection {
        resource: resource.to_owned(),
        field: field.to_owned(),
        why: why.to_owned(),
    }
}

#[cfg(test)]
mod tests;
