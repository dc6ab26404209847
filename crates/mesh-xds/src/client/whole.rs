//! State-of-the-world discovery in the words of delta discovery: each response has everything of its type, each
//! request all names that are wanted (xDS protocol, "Basic Protocol Overview").

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use mesh_proto::any;
use mesh_proto::envoy::envoy::service::discovery::v3 as discovery;
use prost::Message;

use crate::Kind;

/// What was said on the stream, and what was told before.
#[derive(Debug, Default)]
pub(super) struct Whole {
    types: BTreeMap<Kind, Told>,
}

/// One type.
#[derive(Debug, Default)]
struct Told {
    /// The names that are wanted; empty for all.
    names: BTreeSet<String>,
    /// Version that was acknowledged last.
    version: String,
    /// Version and nonce of the newest response of this stream.
    newest: (String, String),
    /// What the newest response had, by name: a hash of the content, unless it is to be told again.
    had: BTreeMap<String, Option<u64>>,
}

/// All resources that travel here have their name in their first field.
#[derive(Clone, PartialEq, Message)]
struct Named {
    #[prost(string, tag = "1")]
    name: String,
}

impl Whole {
    /// What is said of a client that has some of it already: it is told again, and what does not come is gone.
    pub(super) fn holding(held: &[(Kind, String, String)]) -> Self {
        let mut whole = Self::default();
        for (kind, name, _) in held {
            let told = whole.types.entry(*kind).or_default();
            told.had.insert(name.clone(), None);
        }
        whole
    }

    /// A stream begins: nonces of the last are of no use.
    pub(super) fn connect(&mut self) {
        for told in self.types.values_mut() {
            told.newest = Default::default();
        }
    }

    /// A request, as this variant has it.
    pub(super) fn request(
        &mut self,
        request: discovery::DeltaDiscoveryRequest,
    ) -> discovery::DiscoveryRequest {
        let kind = Kind::of(&request.type_url);
        let mut unknown = Told::default();
        let told = match kind {
            Some(kind) => self.types.entry(kind).or_default(),
            None => &mut unknown,
        };
        for name in &request.resource_names_unsubscribe {
            told.names.remove(name);
            told.had.remove(name);
        }
        for name in request.resource_names_subscribe {
            // Who asks anew wants to hear of it, be it what it was.
            if told.names.insert(name.clone()) {
                told.had.remove(&name);
            }
        }
        if !request.response_nonce.is_empty() {
            match &request.error_detail {
                // Which of them were refused is not told apart: all come again.
                Some(_) => told.had.values_mut().for_each(|hash| *hash = None),
                None => told.version = told.newest.0.clone(),
            }
        }
        discovery::DiscoveryRequest {
            version_info: told.version.clone(),
            node: request.node,
            resource_names: told.names.iter().cloned().collect(),
            type_url: request.type_url,
            response_nonce: told.newest.1.clone(),
            error_detail: request.error_detail,
            ..Default::default()
        }
    }

    /// A response, as far as it says something new. What it does not have of a type of which all is wanted is gone;
    /// of the others a response may have some alone.
    pub(super) fn response(
        &mut self,
        response: discovery::DiscoveryResponse,
    ) -> discovery::DeltaDiscoveryResponse {
        let mut delta = discovery::DeltaDiscoveryResponse {
            system_version_info: response.version_info.clone(),
            type_url: response.type_url,
            nonce: response.nonce.clone(),
            ..Default::default()
        };
        let Some(kind) = Kind::of(&delta.type_url) else {
            return delta; // the machine says so
        };
        let told = self.types.entry(kind).or_default();
        told.newest = (response.version_info.clone(), response.nonce);
        let mut had = BTreeMap::new();
        for any in response.resources {
            let resource = unwrapped(any, &response.version_info);
            let hash = resource.resource.as_ref().map(|any| hash(&any.value));
            let same = told.had.get(&resource.name).is_some_and(|h| *h == hash);
            had.insert(resource.name.clone(), hash);
            if !same || hash.is_none() {
                delta.resources.push(resource);
            }
        }
        if kind.is_wildcard_by_default() {
            let gone = told.had.keys().filter(|name| !had.contains_key(*name));
            delta.removed_resources = gone.cloned().collect();
            told.had = had;
        } else {
            told.had.append(&mut had);
        }
        delta
    }
}

/// A resource with its name, which may be in an envelope.
fn unwrapped(any: mesh_proto::Any, version: &str) -> discovery::Resource {
    if let Ok(resource) = any::unpack::<discovery::Resource>(&any) {
        let version = match resource.version.as_str() {
            "" => version.to_owned(),
            own => own.to_owned(),
        };
        return discovery::Resource {
            version,
            ..resource
        };
    }
    let named = Named::decode(any.value.as_slice()).unwrap_or_default();
    discovery::Resource {
        name: named.name,
        version: version.to_owned(),
        resource: Some(any),
        ..Default::default()
    }
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests;
