//! Memory that the process has and does not use, and giving it back to the kernel: of its heap, and of the
//! program itself ([`program`]).
//!
//! The only crate with unsafe blocks, and next to nothing but them (ADR 0013, ADR 0014). With another C library than
//! glibc the heap is not seen and stays as it is.

pub mod program;

/// Bytes that the heap has from the kernel and that nobody uses; what threads keep in caches of
/// their own is not among them, what [`trim`] has given back is.
#[must_use]
pub fn unused() -> usize {
    imp::unused()
}

/// Gives whole pages without a live block back to the kernel, wherever in the heap they lie; says
/// whether there were any.
///
/// Other allocations wait meanwhile: a tenth of a millisecond with the heap of a busy sidecar.
pub fn trim() -> bool {
    imp::trim()
}

#[cfg(target_env = "gnu")]
mod imp {
    /// Bytes kept at the end of the heap.
    const PAD: usize = 0;

    #[expect(unsafe_code, reason = "no safe crate has this call")]
    pub(super) fn unused() -> usize {
        // SAFETY: `mallinfo2(3)` takes nothing and answers with numbers; its reading of the heap is
        // under the heap's own lock.
        unsafe { libc::mallinfo2() }.fordblks
    }

    #[expect(unsafe_code, reason = "no safe crate has this call")]
    pub(super) fn trim() -> bool {
        // SAFETY: `malloc_trim(3)` takes a number and no pointer, may be called by any thread at any
        // time (MT-Safe), and touches no block that is in use.
        unsafe { libc::malloc_trim(PAD) == 1 }
    }
}

#[cfg(not(target_env = "gnu"))]
mod imp {
    pub(super) const fn unused() -> usize {
        0
    }

    pub(super) const fn trim() -> bool {
        false
    }
}

#[cfg(test)]
mod tests;
