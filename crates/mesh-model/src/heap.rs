//! What a process of mesh is started with so that its heap stays small.

/// A variable of its environment, and the value.
///
/// glibc takes large blocks from the kernel and gives them back at once, but raises the size from
/// which it does so with every such block, up to 32 MiB; after a few large messages, blocks of that
/// size fragment its heaps for good. It also gives each thread a heap of its own, and they grow for
/// many minutes before each has found its size. With a fixed size, its first one, and one heap for
/// all, a busy sidecar keeps to two thirds of the memory (docs/performance.md).
pub const TUNABLES: (&str, &str) = (
    "GLIBC_TUNABLES",
    "glibc.malloc.arena_max=1:glibc.malloc.mmap_threshold=131072",
);
