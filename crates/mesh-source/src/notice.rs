//! What the log says when configuration changes.

use mesh_model::diag::{Diagnostic, Severity};
use mesh_model::name::ResourceKey;
use tracing::{info, warn};

use crate::snapshot::{ObjectState, Snapshot, State};

/// Writes the difference between two snapshots to the log.
pub(crate) fn emit(old: &Snapshot, new: &Snapshot) {
    info!(
        version = new.version,
        objects = new.states.len(),
        "configuration changed"
    );
    for (key, state) in &new.states {
        let before = old.states.get(key);
        let same = before.is_some_and(|before| {
            before.state == state.state && before.diagnostics == state.diagnostics
        });
        if !same {
            object(key, before, state);
        }
    }
    for (origin, found) in &new.broken {
        if old.broken.get(origin) != Some(found) {
            for diagnostic in found {
                warn!(%origin, error = %diagnostic, "configuration cannot be read");
            }
        }
    }
    for origin in old.broken.keys() {
        if !new.broken.contains_key(origin) {
            info!(%origin, "configuration can be read again");
        }
    }
}

fn object(key: &ResourceKey, before: Option<&ObjectState>, now: &ObjectState) {
    let ill = |state: &ObjectState| state.state != State::InForce || state.errors().count() > 0;
    if !ill(now) && before.is_some_and(ill) {
        info!(resource = %key, "object is in force again");
    }
    for diagnostic in &now.diagnostics {
        finding(key, now, diagnostic);
    }
}

fn finding(key: &ResourceKey, now: &ObjectState, found: &Diagnostic) {
    let origin = &now.object.origin;
    match (found.severity, now.state) {
        (Severity::Error, State::SetAside) => {
            warn!(resource = %key, %origin, error = %found, "object is set aside");
        }
        (Severity::Error, State::LastGood) => {
            warn!(resource = %key, %origin, error = %found, "object is kept at its last good version");
        }
        (Severity::Error, State::InForce) => {
            warn!(resource = %key, %origin, error = %found, "object is in force with an error");
        }
        (Severity::Warning | Severity::Info, _) => {
            info!(resource = %key, %origin, warning = %found, "object is questionable");
        }
    }
}
