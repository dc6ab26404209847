//! The client's side of delta discovery as a pure state machine: responses in, requests out.
//!
//! It outlives the streams: what is held is remembered, and a new stream begins by naming it.

use std::collections::{BTreeMap, BTreeSet};

use mesh_proto::any;
use mesh_proto::envoy::envoy::service::discovery::v3 as discovery;
use mesh_proto::envoy::google::rpc;

use crate::client::{Applied, Rejection, Update, Upsert};
use crate::{Kind, Node};

/// `google.rpc.Code.INVALID_ARGUMENT`: the code of a refusal.
const INVALID_ARGUMENT: i32 = 3;
/// Longest text of a refusal; the rest of the reasons is counted, not listed.
const MAX_MESSAGE: usize = 16 << 10;

/// What is subscribed to and held, of every type.
#[derive(Debug)]
pub struct Machine {
    node: Node,
    types: BTreeMap<Kind, Subscription>,
    /// The node is named in the first request of a stream alone.
    introduced: bool,
}

#[derive(Debug, Default)]
struct Subscription {
    wildcard: bool,
    names: BTreeSet<String>,
    /// Name to version of what the handler accepted.
    held: BTreeMap<String, String>,
    /// The server has heard of this type on the current stream.
    started: bool,
}

/// Why a response was passed over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Ignored {
    /// It is of a type that was not asked for.
    #[error("the server sent resources of a type that was not asked for: {0:?}")]
    Type(String),
}

/// A response, taken apart, that waits for the handler's word.
#[derive(Debug)]
pub struct Received {
    kind: Kind,
    nonce: String,
    versions: BTreeMap<String, String>,
    /// Refused before the handler saw them.
    malformed: Vec<Rejection>,
}

impl Machine {
    /// Asks for every resource of some types, and for some by name; the rest follows from these.
    #[must_use]
    pub fn new(node: Node, all_of: &[Kind], names: Vec<(Kind, BTreeSet<String>)>) -> Self {
        let subscription = |kind: &Kind| {
            let everything = Subscription {
                wildcard: true,
                ..Subscription::default()
            };
            (*kind, everything)
        };
        let by_name = names.into_iter().map(|(kind, names)| {
            let some = Subscription {
                names,
                ..Subscription::default()
            };
            (kind, some)
        });
        Self {
            node,
            types: by_name.chain(all_of.iter().map(subscription)).collect(),
            introduced: false,
        }
    }

    /// The same of a client that has some of it already: type, name and version.
    #[must_use]
    pub fn holding(mut self, held: Vec<(Kind, String, String)>) -> Self {
        for (kind, name, version) in held {
            if let Some(subscription) = self.types.get_mut(&kind)
                && (subscription.wildcard || subscription.names.contains(&name))
            {
                subscription.held.insert(name, version);
            }
        }
        self
    }

    /// Begins a stream: what is subscribed to, and what is held already.
    pub fn connect(&mut self) -> Vec<discovery::DeltaDiscoveryRequest> {
        self.introduced = false;
        let kinds: Vec<Kind> = self.types.keys().copied().collect();
        for subscription in self.types.values_mut() {
            subscription.started = false;
        }
        let first = kinds.into_iter().filter_map(|kind| self.start(kind));
        first.collect()
    }

    /// Takes a response apart. What the handler makes of the update goes to [`Machine::answer`].
    ///
    /// # Errors
    /// [`Ignored`] when the response is not one that can be answered.
    pub fn on_response(
        &self,
        response: discovery::DeltaDiscoveryResponse,
    ) -> Result<(Update, Received), Ignored> {
        let asked_for = Kind::of(&response.type_url).and_then(|kind| {
            self.types
                .get(&kind)
                .map(|subscription| (kind, subscription))
        });
        let Some((kind, subscription)) = asked_for else {
            return Err(Ignored::Type(response.type_url));
        };
        let mut received = Received {
            kind,
            nonce: response.nonce,
            versions: BTreeMap::new(),
            malformed: Vec::new(),
        };
        let mut update = Update {
            kind,
            upserts: Vec::new(),
            removals: response.removed_resources,
        };
        for resource in response.resources {
            if subscription.wildcard || subscription.names.contains(&resource.name) {
                received.take(resource, &mut update);
            }
        }
        update
            .removals
            .retain(|name| !received.versions.contains_key(name));
        Ok((update, received))
    }

    /// Records what became of an update and says what to send, in this order: first what is
    /// subscribed to because of it, then the acknowledgement or refusal. So a server that sees
    /// the acknowledgement knows everything that the client still waits for.
    pub fn answer(
        &mut self,
        removals: &[String],
        mut received: Received,
        applied: Applied,
    ) -> Vec<discovery::DeltaDiscoveryRequest> {
        let mut requests: Vec<_> = applied
            .wanted
            .into_iter()
            .filter_map(|(kind, names)| self.subscribe(kind, names))
            .collect();
        let mut rejections = std::mem::take(&mut received.malformed);
        rejections.extend(applied.rejections);
        if let Some(subscription) = self.types.get_mut(&received.kind) {
            for name in removals {
                subscription.held.remove(name);
            }
            let rejected: BTreeSet<&str> = rejections.iter().map(|r| r.resource.as_str()).collect();
            let wanted = |name: &String| subscription.wildcard || subscription.names.contains(name);
            let versions = received.versions.into_iter();
            let accepted: Vec<_> = versions
                .filter(|(name, _)| !rejected.contains(name.as_str()) && wanted(name))
                .collect();
            subscription.held.extend(accepted);
        }
        requests.push(discovery::DeltaDiscoveryRequest {
            type_url: received.kind.type_url().to_owned(),
            response_nonce: received.nonce,
            error_detail: (!rejections.is_empty()).then(|| refusal(&rejections)),
            ..Default::default()
        });
        requests
    }

    /// What is held: type to name to version.
    pub fn held(&self, kind: Kind) -> impl Iterator<Item = (&str, &str)> {
        let held = self.types.get(&kind).into_iter().flat_map(|s| &s.held);
        held.map(|(name, version)| (name.as_str(), version.as_str()))
    }

    /// Makes `names` what is subscribed to of a type, and says what to send for it.
    fn subscribe(
        &mut self,
        kind: Kind,
        names: BTreeSet<String>,
    ) -> Option<discovery::DeltaDiscoveryRequest> {
        let subscription = self.types.entry(kind).or_default();
        let added: Vec<_> = names.difference(&subscription.names).cloned().collect();
        let dropped: Vec<_> = subscription.names.difference(&names).cloned().collect();
        if !subscription.wildcard {
            subscription.held.retain(|name, _| names.contains(name));
        }
        subscription.names = names;
        if !subscription.started {
            return self.start(kind);
        }
        if added.is_empty() && dropped.is_empty() {
            return None;
        }
        Some(discovery::DeltaDiscoveryRequest {
            type_url: kind.type_url().to_owned(),
            resource_names_subscribe: added,
            resource_names_unsubscribe: dropped,
            ..Default::default()
        })
    }

    /// The first request of a type on a stream; nothing if there is nothing to ask for.
    fn start(&mut self, kind: Kind) -> Option<discovery::DeltaDiscoveryRequest> {
        let subscription = self.types.get_mut(&kind)?;
        if !subscription.wildcard && subscription.names.is_empty() {
            return None;
        }
        subscription.started = true;
        let node = (!self.introduced).then(|| self.node.clone());
        self.introduced = true;
        Some(discovery::DeltaDiscoveryRequest {
            node,
            type_url: kind.type_url().to_owned(),
            resource_names_subscribe: subscription.names.iter().cloned().collect(),
            initial_resource_versions: subscription.held.clone().into_iter().collect(),
            ..Default::default()
        })
    }
}

impl Received {
    fn take(&mut self, resource: discovery::Resource, update: &mut Update) {
        let why = match &resource.resource {
            None => Some("the resource has no content".to_owned()),
            Some(any) if any.type_url != self.kind.type_url() => {
                Some(format!("the content is of type {:?}", any.type_url))
            }
            Some(_) if self.versions.contains_key(&resource.name) => {
                Some("the response has it more than once".to_owned())
            }
            Some(_) => None,
        };
        if let Some(why) = why {
            self.malformed.push(Rejection {
                resource: resource.name,
                field: String::new(),
                why,
            });
            return;
        }
        self.versions
            .insert(resource.name.clone(), resource.version.clone());
        update.upserts.push(Upsert {
            name: resource.name,
            version: resource.version,
            any: resource.resource.unwrap_or_default(),
        });
    }
}

/// A refusal that names each resource, its field and the reason: as text for people, and as
/// details from which a server learns what of the response is not held.
fn refusal(rejections: &[Rejection]) -> rpc::Status {
    let mut message = String::new();
    for (index, rejection) in rejections.iter().enumerate() {
        if message.len() > MAX_MESSAGE {
            message.push_str(&format!("; and {} more", rejections.len() - index));
            break;
        }
        if index > 0 {
            message.push_str("; ");
        }
        message.push_str(&rejection.to_string());
    }
    let detail = |rejection: &Rejection| {
        any::pack(&discovery::ResourceError {
            resource_name: Some(discovery::ResourceName {
                name: rejection.resource.clone(),
                ..Default::default()
            }),
            error_detail: None,
        })
    };
    rpc::Status {
        code: INVALID_ARGUMENT,
        message,
        details: rejections.iter().map(detail).collect(),
    }
}

#[cfg(test)]
mod tests;
