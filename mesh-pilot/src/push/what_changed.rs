//! What a proxy shall have next, given what it has: a pure function.

use std::collections::BTreeMap;
use std::sync::Arc;

use mesh_proto::any;
use mesh_xds::Resource;

use crate::push::pack;
use crate::push::shelf::Shelf;
use crate::snapshot::view::View;
use crate::translate;

/// What was published for a proxy, and from what it was made.
#[derive(Debug, Clone)]
pub struct Held {
    /// What it was made from.
    pub view: View,
    /// What was published.
    pub resources: Arc<mesh_xds::Resources>,
}

/// What a change means for one proxy.
#[derive(Debug, Clone)]
pub struct Refreshed {
    /// What is to be published now.
    pub held: Held,
    /// The types in which something is other than before; all of them at first.
    pub changed: Vec<&'static str>,
}

/// Makes what a proxy shall have as of `version`. A view that did not change is not translated
/// again, neither is a service that is on the shelf, nor a route table in which nothing changed; and a
/// resource that did not change keeps its version.
#[must_use]
pub fn refresh(held: Option<&Held>, view: View, version: u64, shelf: &mut Shelf) -> Refreshed {
    if let Some(held) = held.filter(|held| held.view == view) {
        let resources = mesh_xds::Resources {
            version,
            ..(*held.resources).clone()
        };
        return Refreshed {
            held: Held {
                view,
                resources: Arc::new(resources),
            },
            changed: Vec::new(),
        };
    }
    let kept = held.map(|held| translate::kept_tables(&held.view, &view));
    let kept = kept.unwrap_or_default();
    let mut by_type = pack::resources(&translate::own(&view, &kept));
    shelf.add_services(&view, &mut by_type);
    let before = held.map(|held| &held.resources.by_type);
    let tables = before.and_then(|before| before.get(any::ROUTE));
    let tables = tables.into_iter().flatten();
    let tables = tables.filter(|(name, _)| kept.contains(*name));
    let of_type = by_type.entry(any::ROUTE).or_default();
    of_type.extend(tables.map(|(name, table)| (name.clone(), table.clone())));
    let changed = by_type
        .iter()
        .filter(|(kind, made)| !before.is_some_and(|b| same(b.get(*kind), made)))
        .map(|(kind, _)| *kind)
        .collect();
    Refreshed {
        held: Held {
            view,
            resources: Arc::new(mesh_xds::Resources { version, by_type }),
        },
        changed,
    }
}

type Named = BTreeMap<String, Resource>;

/// By names and versions: bytes of equal messages may differ.
fn same(before: Option<&Named>, made: &Named) -> bool {
    fn versions(all: &Named) -> impl Iterator<Item = (&String, &String)> {
        all.iter().map(|(name, one)| (name, &one.version))
    }
    before.is_some_and(|before| versions(before).eq(versions(made)))
}

#[cfg(test)]
mod tests;
