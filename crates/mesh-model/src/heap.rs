//! What a process of mesh is started with so that its heap stays small, and flat.

/// A variable of its environment, and the value: settings of glibc's allocator (`mallopt(3)`).
///
/// - `arena_max`: one heap for all threads, not one for each, of which every one has its own holes.
/// - `mmap_threshold`: blocks of 128 KiB and more come from the kernel and go back to it at once. Unless
///   it is set, each such block that is freed raises it, up to 32 MiB, and blocks of that size tear
///   holes into the heap.
/// - `top_pad`, `trim_threshold`: the end of the heap has never room for such a block, which would be
///   taken from there first.
/// - `tcache_max`: each thread's own cache holds blocks of up to 256 bytes. Of larger ones four requests
///   need one, a record of TLS, and it would take the rare ones an hour to fill the cache.
///
/// With them a busy sidecar keeps to two thirds of the memory (docs/performance.md).
pub const TUNABLES: (&str, &str) = (
    "GLIBC_TUNABLES",
    concat!(
        "glibc.malloc.arena_max=1:",
        "glibc.malloc.mmap_threshold=131072:",
        "glibc.malloc.top_pad=0:",
        "glibc.malloc.trim_threshold=65536:",
        "glibc.malloc.tcache_max=256",
    ),
);
