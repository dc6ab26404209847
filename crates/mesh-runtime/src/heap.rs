//! The heap of a process, given back where it is far larger than what is in use (ADR 0013).
//!
//! The C library gives back the end of the heap by itself; what a burst has left below a block that
//! is in use goes back to the kernel here.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::Tasks;

/// Time between two looks.
const PACE: Duration = Duration::from_secs(10);
/// Unused bytes that are worth giving back: more than a busy sidecar's heap breathes by.
const WORTH: usize = 8 << 20;
/// The same after a burst: what it took is not needed again soon.
const WORTH_AFTER_BURST: usize = 256 << 10;

/// Whether there was a burst since the last look. The start is one. Of the process, as its heap is.
static BURST: AtomicBool = AtomicBool::new(true);

/// Looks at the heap again and again until the tasks are asked to stop.
pub fn keep_small(tasks: &Tasks) {
    let stopping = tasks.stopping().clone();
    tasks.spawn("heap", async move {
        stopping.run_until_cancelled(looks()).await;
    });
}

/// Says that much was allocated and freed that is not needed again soon: at a change of the whole configuration,
/// say. The next look gives back what is left of it.
pub fn after_burst() {
    BURST.store(true, Ordering::Relaxed);
}

async fn looks() {
    let mut ticks = interval(PACE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await; // the first is at once, in the middle of the start
    loop {
        ticks.tick().await;
        let unused = mesh_heap::unused();
        let after_burst = BURST.swap(false, Ordering::Relaxed);
        let worth = if after_burst {
            WORTH_AFTER_BURST
        } else {
            WORTH
        };
        if unused > worth {
            let some = mesh_heap::trim();
            tracing::debug!(unused, some, "gave unused pages back");
        }
        if after_burst {
            forget_program();
        }
    }
}

/// What only the start or the burst ran is not mapped any more (ADR 0014).
fn forget_program() {
    match mesh_heap::program::forget() {
        Ok(bytes) => tracing::debug!(bytes, "the program's pages come back as they are needed"),
        Err(error) => tracing::debug!(%error, "the program's pages stay"),
    }
}
