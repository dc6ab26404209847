//! One delta stream as a pure state machine: requests and snapshots in, responses out.
//!
//! At most one response per type is unacknowledged. Changes that come meanwhile are not queued:
//! each response is the difference between what the client has and the newest snapshot. Order is
//! make-before-break: new clusters and endpoints, then listeners and routes, and only then what
//! nothing refers to any more is taken away; each step waits for the acknowledgement of the one
//! before, but for endpoints, on which a client's acknowledgement of clusters may depend.

mod subscription;

use std::collections::BTreeMap;
use std::sync::Arc;

use mesh_proto::envoy::envoy::service::discovery::v3 as discovery;

use crate::server::status::TypeStatus;
use crate::server::stream::subscription::Subscription;
use crate::{Kind, Resource, Resources};

/// Names that one client may subscribe to per type.
const MAX_NAMES: usize = 100_000;
/// Longest name of a resource in bytes.
const MAX_NAME: usize = 4096;
/// The name that stands for all resources of a type.
pub(super) const WILDCARD: &str = "*";

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
        if subscription.size() > MAX_NAMES {
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

    /// What to send next, if anything may be sent now, and the snapshot that it is of. It counts as sent.
    pub fn next_response(&mut self) -> Option<(discovery::DeltaDiscoveryResponse, Arc<Resources>)> {
        let current = self.current.clone()?;
        let mut clusters_wait = false;
        for (kind, part) in ORDER {
            let Some(subscription) = self.types.get_mut(&kind) else {
                continue;
            };
            let outstanding = subscription.outstanding.is_some();
            if outstanding && kind == Kind::Cluster {
                // An Envoy acknowledges a cluster when it has the endpoints of it.
                clusters_wait = true;
                continue;
            }
            if outstanding || (clusters_wait && kind != Kind::Endpoint) {
                // What comes later in the order may refer to what is not acknowledged yet.
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
            return Some((response, current));
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

pub(super) fn resources_of(snapshot: &Resources, kind: Kind) -> &BTreeMap<String, Resource> {
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

#[cfg(test)]
mod tests;
