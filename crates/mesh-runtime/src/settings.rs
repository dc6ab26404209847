//! The one place that reads the environment.
//!
//! Settings come from flags; the environment only supplies what belongs to the machine (home and
//! state directories, colour, log filter). docs/settings.md lists every name read here.

mod duration;

pub use duration::{BadDuration, parse_duration};
use mesh_model::heap::TUNABLES;

/// Reads a variable; empty counts as absent, text that is not Unicode too.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "the one reader of the environment"
)]
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// What a process of mesh is started with so that its heap stays small, unless this process was told
/// something else by the same variable.
#[must_use]
pub fn allocator() -> Option<(&'static str, &'static str)> {
    let is_free = environment(TUNABLES.0).is_none();
    is_free.then_some(TUNABLES)
}
