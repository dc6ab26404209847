//! Whether a change of the configuration may be made: the new objects together with everything
//! that is in force. Pure.

use std::collections::BTreeSet;

use mesh_api::validate::references::check_references;
use mesh_api::{Object, ResourceSet};
use mesh_model::diag::Diagnostic;
use mesh_model::name::ResourceKey;

use super::findings::Texts;
use crate::error::CommandError;

/// What is to be said about a change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Review {
    /// Objects that are wrong in themselves.
    pub(crate) wrong: Vec<String>,
    /// References of the new objects to what does not exist, and of others to what the change
    /// takes away.
    pub(crate) dangling: Vec<String>,
    /// What works, but probably not as meant.
    pub(crate) warnings: Vec<String>,
}

/// Reviews putting `new`, read from `texts`, in force where `kept` is, beside the objects of the
/// `cluster`.
pub(crate) fn review(
    new: &[Object],
    texts: &Texts,
    kept: &[&Object],
    cluster: &[Object],
) -> Review {
    let keys: BTreeSet<ResourceKey> = new.iter().map(|object| object.key.clone()).collect();
    let stays = kept
        .iter()
        .copied()
        .filter(|object| !keys.contains(&object.key));
    let (after, found) = ResourceSet::build(new.iter().chain(stays).chain(cluster).cloned());
    let own = found
        .into_iter()
        .filter(|one| one.at.as_ref().is_some_and(|at| keys.contains(at)));
    let (wrong, mut warnings) = texts.lines(&own.collect::<Vec<_>>());
    let (mut dangling, more) = texts.lines(&check_references(&after, &keys));
    warnings.extend(more);
    let (worse, doubtful) = newly_dangling(&after, kept, cluster, &keys);
    dangling.extend(worse);
    warnings.extend(doubtful);
    Review {
        wrong,
        dangling,
        warnings,
    }
}

/// Reviews taking the objects of these keys out of force.
pub(crate) fn review_removal(
    gone: &[ResourceKey],
    kept: &[&Object],
    cluster: &[Object],
) -> Vec<String> {
    let gone: BTreeSet<ResourceKey> = gone.iter().cloned().collect();
    let stays = kept
        .iter()
        .copied()
        .filter(|object| !gone.contains(&object.key));
    let (after, _) = ResourceSet::build(stays.chain(cluster).cloned());
    let (mut worse, doubtful) = newly_dangling(&after, kept, cluster, &gone);
    worse.extend(doubtful);
    worse
}

/// Errors and warnings of objects that are not themselves changed and that were fine before.
fn newly_dangling(
    after: &ResourceSet,
    kept: &[&Object],
    cluster: &[Object],
    changed: &BTreeSet<ResourceKey>,
) -> (Vec<String>, Vec<String>) {
    let others: BTreeSet<ResourceKey> = kept
        .iter()
        .map(|object| &object.key)
        .filter(|key| !changed.contains(key))
        .cloned()
        .collect();
    if others.is_empty() {
        return (Vec::new(), Vec::new());
    }
    let (before, _) = ResourceSet::build(kept.iter().copied().chain(cluster).cloned());
    let before = check_references(&before, &others);
    let now = check_references(after, &others);
    let fresh: Vec<Diagnostic> = now
        .into_iter()
        .filter(|one| !before.contains(one))
        .collect();
    Texts::default().lines(&fresh)
}

impl Review {
    /// Refuses the change if it must be; dangling references only when not forced.
    ///
    /// # Errors
    /// Every finding on a line of its own.
    pub(crate) fn refuse(&self, force: bool) -> Result<(), CommandError> {
        if !self.wrong.is_empty() {
            let all: Vec<&str> = self
                .wrong
                .iter()
                .chain(&self.dangling)
                .map(String::as_str)
                .collect();
            return Err(CommandError::problem(all.join("\n")));
        }
        if self.dangling.is_empty() || force {
            return Ok(());
        }
        Err(CommandError::problem(self.dangling.join("\n"))
            .hint("with --force it is put in force all the same; such a route answers 503 (NC)"))
    }
}

#[cfg(test)]
mod tests;
