//! What one client wants, has and refused of one type of resources.

use std::collections::{BTreeMap, BTreeSet};

use mesh_proto::any;
use mesh_proto::envoy::envoy::service::discovery::v3 as discovery;
use mesh_proto::envoy::google::rpc;

use crate::server::status::TypeStatus;
use crate::server::stream::{Part, WILDCARD, resources_of};
use crate::{Kind, Resource, Resources};

/// Bytes of resources per response; gRPC clients refuse messages of more than 4 MiB by default.
pub(super) const MAX_RESPONSE: usize = 3 << 20;

/// What the client wants and has of one type.
#[derive(Debug, Default)]
pub(super) struct Subscription {
    wildcard: bool,
    pub(super) names: BTreeSet<String>,
    /// Name to version that the client has once it acknowledged what is under way. The empty
    /// version marks a name about which the client must be told again.
    held: BTreeMap<String, String>,
    /// Name to version that the client refused: it is not sent again.
    rejected: BTreeMap<String, String>,
    /// The client did not say which resource of a refused message was the bad one.
    blame_unknown: bool,
    /// A response is due even if it is empty.
    pub(super) owes_answer: bool,
    /// Something may have to be sent.
    pub(super) dirty: bool,
    pub(super) outstanding: Option<Outstanding>,
    /// Version of the newest snapshot that is acknowledged as a whole.
    pub(super) synced: Option<u64>,
    sent: String,
    acked: String,
    last_error: Option<String>,
}

#[derive(Debug)]
pub(super) struct Outstanding {
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
pub(super) struct Delta {
    upserts: Vec<String>,
    removals: Vec<String>,
}

impl Delta {
    pub(super) fn is_empty(&self) -> bool {
        self.upserts.is_empty() && self.removals.is_empty()
    }
}

impl Subscription {
    /// How many names the client made us remember.
    pub(super) fn size(&self) -> usize {
        self.names.len().max(self.held.len())
    }

    /// The first request of this type on the stream.
    pub(super) fn start(&mut self, kind: Kind, request: &discovery::DeltaDiscoveryRequest) {
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
    pub(super) fn subscribe(&mut self, request: &discovery::DeltaDiscoveryRequest) -> bool {
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
    pub(super) fn answered(&mut self, request: &discovery::DeltaDiscoveryRequest) {
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

    pub(super) fn repeat(&mut self, name: &str) {
        if self.names.contains(name) {
            self.held.insert(name.to_owned(), String::new());
            self.dirty = true;
        }
    }

    pub(super) fn delta(&mut self, resources: &BTreeMap<String, Resource>, part: Part) -> Delta {
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

    pub(super) fn send(
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
                resource: Some((*resource.any).clone()),
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

    pub(super) fn note_synced(&mut self, version: u64) {
        if !self.dirty && self.outstanding.is_none() && self.rejected.is_empty() {
            self.synced = Some(version);
        }
    }

    pub(super) fn status(&self) -> TypeStatus {
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
