//! `/debug/config_status`: whether what users wrote is in force, everywhere.
//!
//! `meshctl apply` asks it until its change is among the objects and every connected proxy has
//! acknowledged the version.

use mesh_model::diag::Diagnostic;
use mesh_model::name::ResourceKey;
use mesh_source::{ObjectState, Snapshot, State};
use mesh_xds::server::ClientStatus;
use serde_json::{Value, json};

use super::syncz::last_error;

/// The page; `found` is what building the world had to say about objects.
pub(super) fn page(snapshot: &Snapshot, found: &[Diagnostic], streams: &[ClientStatus]) -> Value {
    let objects = snapshot.states.iter();
    let broken = snapshot.broken.iter().flat_map(|(origin, found)| {
        found
            .iter()
            .map(move |one| json!({"origin": origin.as_str(), "message": one.to_string()}))
    });
    json!({
        "version": snapshot.version,
        "objects": objects.map(|(key, state)| object(key, state, found)).collect::<Value>(),
        "broken": broken.collect::<Value>(),
        "proxies": streams.iter().map(|s| proxy(s, snapshot.version)).collect::<Value>(),
    })
}

fn object(key: &ResourceKey, state: &ObjectState, found: &[Diagnostic]) -> Value {
    let own = found.iter().filter(|one| one.at.as_ref() == Some(key));
    let messages = state.diagnostics.iter().chain(own).map(ToString::to_string);
    json!({
        "group": key.group.as_str(),
        "kind": key.kind.as_str(),
        "namespace": key.namespace.as_str(),
        "name": key.name.as_str(),
        "state": state_name(state.state),
        "messages": messages.collect::<Vec<_>>(),
        "content": state.object.content_hash(),
    })
}

fn state_name(state: State) -> &'static str {
    match state {
        State::InForce => "InForce",
        State::LastGood => "LastGood",
        State::SetAside => "SetAside",
    }
}

fn proxy(status: &ClientStatus, version: u64) -> Value {
    json!({
        "proxy": status.key,
        "synced": status.acked_version.is_some_and(|acked| acked >= version),
        "version": status.acked_version,
        "error": last_error(status),
    })
}

#[cfg(test)]
mod tests;
