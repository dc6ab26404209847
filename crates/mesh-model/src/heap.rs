//! What a process of mesh is started with so that its heap stays small.

/// A variable of its environment, and the value.
///
/// glibc takes large blocks from the kernel and gives them back at once, but raises the size from
/// which it does so with every such block, up to 32 MiB; after a few large messages, blocks of that
/// size fragment its heaps for good. A fixed size, its first one, keeps a busy sidecar at two thirds of
/// the memory. Left alone it also gives each thread a heap of its own, and they grow for many minutes
/// before each has found its size; one for all costs nothing where a request allocates nothing
/// (docs/performance.md).
pub const TUNABLES: (&str, &str) = (
    "GLIBC_TUNABLES",
    "glibc.malloc.arena_max=1:glibc.malloc.mmap_threshold=131072",
);
