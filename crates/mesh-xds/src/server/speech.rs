//! What a stream's client speaks: delta discovery, or state-of-the-world discovery in its words.

use std::collections::{BTreeMap, BTreeSet};

use mesh_proto::envoy::envoy::config::core::v3::Node;
use mesh_proto::envoy::envoy::service::discovery::v3 as discovery;

use crate::server::stream::{WILDCARD, resources_of};
use crate::{Kind, Resource, Resources};

/// A variant of the protocol; what it has to remember of one stream is in it.
pub(super) trait Speech: Default + Send + 'static {
    /// What the client says.
    type Request: Send + 'static;
    /// What it hears.
    type Response: Send + 'static;

    /// Who says so, in the first request of a stream.
    fn node(request: &Self::Request) -> Option<&Node>;

    /// What it says in the words of delta discovery; nothing where it says nothing.
    fn request(&mut self, request: Self::Request) -> Option<discovery::DeltaDiscoveryRequest>;

    /// What it is to hear.
    fn response(
        &mut self,
        response: discovery::DeltaDiscoveryResponse,
        snapshot: &Resources,
    ) -> Self::Response;
}

/// Differences: nothing is to be said in other words.
#[derive(Debug, Default)]
pub(super) struct Delta;

impl Speech for Delta {
    type Request = discovery::DeltaDiscoveryRequest;
    type Response = discovery::DeltaDiscoveryResponse;

    fn node(request: &Self::Request) -> Option<&Node> {
        request.node.as_ref()
    }

    fn request(&mut self, request: Self::Request) -> Option<discovery::DeltaDiscoveryRequest> {
        Some(request)
    }

    fn response(&mut self, response: Self::Response, _snapshot: &Resources) -> Self::Response {
        response
    }
}

/// Everything each time: of clusters and listeners a response has all that the client shall have, of the others
/// what has changed (xDS protocol, "Grouping Resources into Responses").
#[derive(Debug, Default)]
pub(super) struct StateOfTheWorld {
    types: BTreeMap<Kind, Told>,
}

/// One type.
#[derive(Debug, Default)]
struct Told {
    /// The client has asked for it on this stream.
    asked: bool,
    /// It wants all because it has never named any.
    all_by_default: bool,
    names: BTreeSet<String>,
    /// What the client has.
    had: BTreeMap<String, Resource>,
    /// Of the newest response.
    nonce: String,
}

impl Speech for StateOfTheWorld {
    type Request = discovery::DiscoveryRequest;
    type Response = discovery::DiscoveryResponse;

    fn node(request: &Self::Request) -> Option<&Node> {
        request.node.as_ref()
    }

    fn request(&mut self, request: Self::Request) -> Option<discovery::DeltaDiscoveryRequest> {
        let mut delta = discovery::DeltaDiscoveryRequest {
            node: request.node,
            type_url: request.type_url,
            ..Default::default()
        };
        let Some(kind) = Kind::of(&delta.type_url) else {
            return Some(delta); // the machine passes over it
        };
        let told = self.types.entry(kind).or_default();
        if told.asked && request.response_nonce != told.nonce {
            // About a response before the newest: another request follows, about that one.
            return None;
        }
        let names: BTreeSet<String> = request.resource_names.into_iter().collect();
        let new = names.difference(&told.names);
        delta.resource_names_subscribe = new.cloned().collect();
        let gone = told.names.difference(&names);
        delta.resource_names_unsubscribe = gone.cloned().collect();
        let first = !told.asked || told.all_by_default;
        let all_by_default = first && names.is_empty() && kind.is_wildcard_by_default();
        let wants_all = all_by_default || names.contains(WILDCARD);
        if !wants_all {
            if told.all_by_default {
                delta.resource_names_unsubscribe.push(WILDCARD.to_owned());
            }
            told.had.retain(|name, _| names.contains(name));
        }
        told.all_by_default = all_by_default;
        if told.asked {
            delta.response_nonce = request.response_nonce;
            delta.error_detail = request.error_detail;
        }
        told.names = names;
        told.asked = true;
        Some(delta)
    }

    fn response(
        &mut self,
        response: discovery::DeltaDiscoveryResponse,
        snapshot: &Resources,
    ) -> discovery::DiscoveryResponse {
        let mut whole = discovery::DiscoveryResponse {
            version_info: response.system_version_info,
            type_url: response.type_url,
            nonce: response.nonce,
            ..Default::default()
        };
        let Some(kind) = Kind::of(&whole.type_url) else {
            return whole;
        };
        let told = self.types.entry(kind).or_default();
        told.nonce.clone_from(&whole.nonce);
        let now = resources_of(snapshot, kind);
        if !kind.is_wildcard_by_default() {
            whole.resources = response
                .resources
                .into_iter()
                .filter_map(|resource| resource.resource)
                .collect();
            return whole;
        }
        // A difference that is too large for one message comes in parts, this not: what a response does not have
        // is taken away.
        for name in &response.removed_resources {
            told.had.remove(name);
        }
        let wants_all = told.all_by_default || told.names.contains(WILDCARD);
        let wanted = |name: &String| wants_all || told.names.contains(name);
        let all = now.iter().filter(|(name, _)| wanted(name));
        let all: Vec<_> = all.map(|(n, one)| (n.clone(), one.clone())).collect();
        told.had.extend(all);
        whole.resources = told.had.values().map(|one| (*one.any).clone()).collect();
        whole
    }
}

#[cfg(test)]
mod tests;
