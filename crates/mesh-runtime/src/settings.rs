//! The one place that reads the environment.
//!
//! Settings come from flags; the environment only supplies what belongs to the machine (home and
//! state directories, colour, log filter). docs/settings.md lists every name read here.

mod duration;

pub use duration::{BadDuration, parse_duration};

/// Reads a variable; empty counts as absent, text that is not Unicode too.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "the one reader of the environment"
)]
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// What a process of mesh is started with so that its heap stays small: variable and value, unless
/// this process was told something else by it.
///
/// glibc takes large blocks from the kernel and gives them back at once, but raises the size from
/// which it does so with every such block, up to 32 MiB; after a few large messages, blocks of that
/// size fragment its heaps for good. A fixed size, its first one, keeps a busy sidecar at two thirds of
/// the memory (docs/performance.md).
#[must_use]
pub fn allocator() -> Option<(&'static str, &'static str)> {
    const NAME: &str = "GLIBC_TUNABLES";
    let is_free = environment(NAME).is_none();
    is_free.then_some((NAME, "glibc.malloc.mmap_threshold=131072"))
}
