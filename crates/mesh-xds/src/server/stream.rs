//! One delta stream as a pure state machine: requests and snapshots in, responses out.
//!
//! At most one response per type is unacknowledged. Changes that come meanwhile are not queued:
//! each response is the difference between what the client has and the newest snapshot. Order is
//! make-before-break: new clusters and endpoints, then listeners and routes, and only then what
//! nothing refers to any more is taken away; each step waits for the acknowledgement of the one
//! before.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mesh_proto::any;
use mesh_proto::envoy::envoy::service::discovery::v3 as discovery;
use mesh_proto::envoy::google::rpc;

use crate::server::status::TypeStatus;
use crate::{Kind, Resource, Resources};

/// Names that one client may subscribe to per type.
const MAX_NAMES: usize = 100_000;
/// Longest name of a resource in bytes.
const MAX_NAME: usize = 4096;
/// Bytes of resources per response; gRPC clients refuse messages of more than 4 MiB by default.
const MAX_RESPONSE: usize = 3 << 20;
/// The name that stands for all resources of a type.
const WILDCARD: &str = "*";

/// The order in which parts of a change are sent.
const ORDER: [(Kind, Part); 7] = [
    (Kind::Cluster, Part::Upserts),  // listeners and routes name clusters
    (Kind::Endpoint, Part::Upserts), // a new cluster waits for its endpoints
    (Kind::Listener, Part::All),
    (Kind::Route, Part::All), // a new listener asks for its table
    (Kind::Secret, Part::All),
    (Kind::Cluster, Part::All), // removals: no route names these any more
    (Kind::Endpoint, Part::All),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Upserts,
    All,
}

/// Why a stream cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// A client subscribes to more than is sensible.
    #[error("more than {max} names of {type_url} are subscribed to", max = MAX_NAMES)]
    TooManyNames {
        /// The type.
        type_url: &'static str,
    },
    /// A name is longer than any real one.
    #[error("a resource name of {0} bytes is too long, the limit is {max}", max = MAX_NAME)]
    LongName(usize),
}

/// The state of one stream.
#[derive(Debug, Default)]
pub struct Machine {
    types: BTreeMap<Kind, Subscription>,
    current: Option<Arc<Resources>>,
    nonces: u64,
    acked: Option<u64>,
}

impl Machine {
    /// A stream on which nothing was said yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a newer snapshot; call [`Machine::next_response`] afterwards.
    pub fn publish(&mut self, resources: Arc<Resources>) {
        self.current = Some(resources);
        for subscription in self.types.values_mut() {
            subscription.dirty = true;
        }
    }

    /// Takes a request; call [`Machine::next_response`] afterwards. Types unknown here are ignored:
    /// a client of a later version may ask for more than we have.
    ///
    /// # Errors
    /// [`Refused`] when the request asks for more than a client may.
    pub fn on_request(
        &mut self,
        request: &discovery::DeltaDiscoveryRequest,
    ) -> Result<(), Refused> {
        let Some(kind) = Kind::of(&request.type_url) else {
            tracing::debug!(type_url = %request.type_url, "request for an unknown type");
            return Ok(());
        };
        check_names(kind, request)?;
        let synced = self.acked;
        let fresh = !self.types.contains_key(&kind);
        let subscription = self.types.entry(kind).or_default();
        subscription.answered(request);
        if fresh {
            subscription.start(kind, request);
        }
        let asked_for_all = subscription.subscribe(request);
        if subscription.names.len() > MAX_NAMES {
            return Err(Refused::TooManyNames {
                type_url: kind.type_url(),
            });
        }
        if subscription.dirty {
            // What was acknowledged before says nothing about names that are new.
            subscription.synced = subscription.synced.min(synced);
        }
        if kind == Kind::Cluster && (fresh || asked_for_all) {
            self.repeat_endpoints(None);
        }
        Ok(())
    }

    /// What to send next, if anything may be sent now. It counts as sent.
    pub fn next_response(&mut self) -> Option<discovery::DeltaDiscoveryResponse> {
        let current = self.current.clone()?;
        for (kind, part) in ORDER {
            let Some(subscription) = self.types.get_mut(&kind) else {
                continue;
            };
            if subscription.outstanding.is_some() {
                // What comes later in the order may refer to what is not acknowledged yet, and an
                // acknowledged cluster may first bring a subscription to its endpoints.
                return None;
            }
            if !subscription.dirty {
                continue;
            }
            let delta = subscription.delta(resources_of(&current, kind), part);
            if delta.is_empty() && !subscription.owes_answer {
                if part == Part::All {
                    subscription.dirty = false;
                }
                continue;
            }
            self.nonces += 1;
            let nonce = format!("{}-{}", current.version, self.nonces);
            let response = subscription.send(kind, &current, nonce, delta);
            if kind == Kind::Cluster {
                self.repeat_endpoints(Some(&response));
            }
            return Some(response);
        }
        self.note_synced(current.version);
        None
    }

    /// The highest version of a published snapshot that the client has acknowledged whole.
    #[must_use]
    pub fn acked_version(&self) -> Option<u64> {
        self.acked
    }

    /// Version of the newest snapshot.
    #[must_use]
    pub fn published_version(&self) -> Option<u64> {
        self.current.as_ref().map(|current| current.version)
    }

    /// What happened with each type that the client asked for.
    #[must_use]
    pub fn status(&self) -> BTreeMap<&'static str, TypeStatus> {
        let status =
            |(kind, subscription): (&Kind, &Subscription)| (kind.type_url(), subscription.status());
        self.types.iter().map(status).collect()
    }

    /// Marks endpoints to be sent again even if they are what the client has: a client that gets
    /// a cluster waits for its endpoints before it uses it. `None` means those of every cluster.
    fn repeat_endpoints(&mut self, clusters: Option<&discovery::DeltaDiscoveryResponse>) {
        let Some(endpoints) = self.types.get_mut(&Kind::Endpoint) else {
            return;
        };
        match clusters {
            Some(sent) => {
                for cluster in &sent.resources {
                    endpoints.repeat(&cluster.name);
                }
            }
            None => {
                for name in endpoints.names.clone() {
                    endpoints.repeat(&name);
                }
            }
        }
    }

    fn note_synced(&mut self, version: u64) {
        for subscription in self.types.values_mut() {
            subscription.note_synced(version);
        }
        let whole = self.types.values().map(|s| s.synced).min().flatten();
        self.acked = self.acked.max(whole);
    }
}

fn resources_of(snapshot: &Resources, kind: Kind) -> &BTreeMap<String, Resource> {
    static NONE: BTreeMap<String, Resource> = BTreeMap::new();
    snapshot.by_type.get(kind.type_url()).unwrap_or(&NONE)
}

fn check_names(kind: Kind, request: &discovery::DeltaDiscoveryRequest) -> Result<(), Refused> {
    if request.resource_names_subscribe.len() > MAX_NAMES
        || request.initial_resource_versions.len() > MAX_NAMES
    {
        return Err(Refused::TooManyNames {
            type_url: kind.type_url(),
        });
    }
    let known = request.initial_resource_versions.keys();
    let long = known
        .chain(&request.resource_names_subscribe)
        .map(String::len)
        .find(|length| *length > MAX_NAME);
    long.map_or(Ok(()), |length| Err(Refused::LongName(length)))
}

/// What the client wants and has of one type.
#[derive(Debug, Default)]
struct Subscription {
    wildcard: bool,
    names: BTreeSet<String>,
    /// Name to version that the client has once it acknowledged what is under way. The empty
    /// version marks a name about which the client must be told again.
    held: BTreeMap<String, String>,
    /// Name to version that the client refused: it is not sent again.
    rejected: BTreeMap<String, String>,
    /// The client did not say which resource of a refused message was the bad one.
    blame_unknown: bool,
    /// A response is due even if it is empty.
    owes_answer: bool,
    /// Something may have to be sent.
    dirty: bool,
    outstanding: Option<Outstanding>,
    /// Version of the newest snapshot that is acknowledged as a whole.
    synced: Option<u64>,
    sent: String,
    acked: String,
    last_error: Option<String>,
}

#[derive(Debug)]
struct Outstanding {
    nonce: String,
    upserts: Vec<Sent>,
}

#[derive(Debug)]
struct Sent {
    name: String,
    version: String,
    before: Option<String>,
}

#[derive(Debug, Default)]
struct Delta {
    upserts: Vec<String>,
    removals: Vec<String>,
}

impl Delta {
    fn is_empty(&self) -> bool {
        self.upserts.is_empty() && self.removals.is_empty()
    }
}

impl Subscription {
    /// The first request of this type on the stream.
    fn start(&mut self, kind: Kind, request: &discovery::DeltaDiscoveryRequest) {
        self.held = request
            .initial_resource_versions
            .clone()
            .into_iter()
            .collect();
        self.dirty = true;
        if request.resource_names_subscribe.is_empty() && kind.is_wildcard_by_default() {
            self.wildcard = true;
        }
        // A client that names what it has needs an answer only if something differs.
        self.owes_answer = self.wildcard && self.held.is_empty();
    }

    /// Takes the changes to what is subscribed to; says whether everything was asked for anew.
    fn subscribe(&mut self, request: &discovery::DeltaDiscoveryRequest) -> bool {
        let mut asked_for_all = false;
        for name in &request.resource_names_subscribe {
            self.dirty = true;
            if name == WILDCARD {
                self.wildcard = true;
                asked_for_all = request.initial_resource_versions.is_empty();
                continue;
            }
            self.names.insert(name.clone());
            if !request.initial_resource_versions.contains_key(name) {
                // The client may have dropped it meanwhile, so it is told whatever we believe.
                self.rejected.remove(name);
                self.held.insert(name.clone(), String::new());
            }
        }
        if asked_for_all {
            self.rejected.clear();
            self.held.values_mut().for_each(String::clear);
            self.owes_answer = true;
        }
        for name in &request.resource_names_unsubscribe {
            if name == WILDCARD {
                self.wildcard = false;
                let names = &self.names;
                self.held.retain(|name, _| names.contains(name));
                self.rejected.retain(|name, _| names.contains(name));
            } else if self.names.remove(name) && !self.wildcard {
                self.held.remove(name);
                self.rejected.remove(name);
            }
        }
        if !self.wildcard {
            let names = &self.names;
            self.held.retain(|name, _| names.contains(name));
        }
        asked_for_all
    }

    /// Takes the acknowledgement or refusal that a request may carry. One for anything but the
    /// message under way is stale and says nothing.
    fn answered(&mut self, request: &discovery::DeltaDiscoveryRequest) {
        let Some(outstanding) = self
            .outstanding
            .take_if(|outstanding| outstanding.nonce == request.response_nonce)
        else {
            return;
        };
        match &request.error_detail {
            None => {
                self.acked = outstanding.nonce;
                self.last_error = None;
            }
            Some(error) => self.refused(error, outstanding.upserts),
        }
    }

    fn refused(&mut self, error: &rpc::Status, upserts: Vec<Sent>) {
        self.last_error = Some(error.message.clone());
        self.dirty = true;
        let mut named = named_by(error);
        named.retain(|name| upserts.iter().any(|sent| sent.name == *name));
        self.blame_unknown |= named.is_empty();
        let bad = upserts
            .into_iter()
            .filter(|sent| named.is_empty() || named.contains(&sent.name));
        for sent in bad {
            if self.held.get(&sent.name) == Some(&sent.version) {
                match sent.before {
                    Some(before) => self.held.insert(sent.name.clone(), before),
                    None => self.held.remove(&sent.name),
                };
            }
            self.rejected.insert(sent.name, sent.version);
        }
    }

    fn repeat(&mut self, name: &str) {
        if self.names.contains(name) {
            self.held.insert(name.to_owned(), String::new());
            self.dirty = true;
        }
    }

    fn delta(&mut self, resources: &BTreeMap<String, Resource>, part: Part) -> Delta {
        self.forget_outdated_refusals(resources);
        let differs = |(name, resource): &(&String, &Resource)| {
            self.held.get(*name) != Some(&resource.version)
                && self.rejected.get(*name) != Some(&resource.version)
        };
        let upserts: Vec<String> = if self.wildcard {
            let changed = resources.iter().filter(differs);
            changed.map(|(name, _)| name.clone()).collect()
        } else {
            let wanted = self.names.iter().filter_map(|n| resources.get_key_value(n));
            wanted
                .filter(differs)
                .map(|(name, _)| name.clone())
                .collect()
        };
        let removals = match part {
            Part::Upserts => Vec::new(),
            Part::All => {
                let gone = self
                    .held
                    .keys()
                    .filter(|name| !resources.contains_key(*name));
                gone.cloned().collect()
            }
        };
        Delta { upserts, removals }
    }

    /// A refused version that is not offered any more is forgotten. If the client did not say
    /// which resource was bad, a change to any of them gives all of them another try.
    fn forget_outdated_refusals(&mut self, resources: &BTreeMap<String, Resource>) {
        let offered = |name: &String, version: &String| {
            resources.get(name).is_some_and(|r| r.version == *version)
        };
        if self.blame_unknown {
            if self.rejected.iter().any(|(n, v)| !offered(n, v)) {
                self.rejected.clear();
                self.blame_unknown = false;
            }
        } else {
            self.rejected.retain(|name, version| offered(name, version));
        }
    }

    fn send(
        &mut self,
        kind: Kind,
        snapshot: &Resources,
        nonce: String,
        delta: Delta,
    ) -> discovery::DeltaDiscoveryResponse {
        let resources = resources_of(snapshot, kind);
        let mut upserts = Vec::new();
        let mut bodies = Vec::new();
        let mut size = 0;
        for name in delta.upserts {
            let Some(resource) = resources.get(&name) else {
                continue;
            };
            size += resource.any.value.len() + name.len();
            if size > MAX_RESPONSE && !bodies.is_empty() {
                break; // the rest differs still, and follows when this part is acknowledged
            }
            bodies.push(discovery::Resource {
                name: name.clone(),
                version: resource.version.clone(),
                resource: Some(resource.any.clone()),
                ..Default::default()
            });
            let before = self.held.insert(name.clone(), resource.version.clone());
            upserts.push(Sent {
                name,
                version: resource.version.clone(),
                before,
            });
        }
        for name in &delta.removals {
            self.held.remove(name);
        }
        self.owes_answer = false;
        self.sent.clone_from(&nonce);
        self.outstanding = Some(Outstanding {
            nonce: nonce.clone(),
            upserts,
        });
        discovery::DeltaDiscoveryResponse {
            system_version_info: snapshot.version.to_string(),
            resources: bodies,
            type_url: kind.type_url().to_owned(),
            removed_resources: delta.removals,
            nonce,
            ..Default::default()
        }
    }

    fn note_synced(&mut self, version: u64) {
        if !self.dirty && self.outstanding.is_none() && self.rejected.is_empty() {
            self.synced = Some(version);
        }
    }

    fn status(&self) -> TypeStatus {
        TypeStatus {
            sent: self.sent.clone(),
            acked: self.acked.clone(),
            acked_version: self.synced,
            last_error: self.last_error.clone(),
            rejected: self.rejected.keys().cloned().collect(),
        }
    }
}

/// The resources that a refusal blames, if it says so (our client does, Envoy does not).
fn named_by(error: &rpc::Status) -> BTreeSet<String> {
    let details = error.details.iter();
    details
        .filter_map(|detail| any::unpack::<discovery::ResourceError>(detail).ok())
        .filter_map(|detail| detail.resource_name)
        .map(|name| name.name)
        .collect()
}

#[cfg(test)]
mod tests;
