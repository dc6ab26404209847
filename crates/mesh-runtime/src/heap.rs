//! The heap of a process, given back where it is far larger than what is in use (ADR 0013).
//!
//! The C library gives back the end of the heap by itself; what a burst has left below a block that
//! is in use goes back to the kernel here.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::Tasks;

/// Time between two looks.
const PACE: Duration = Duration::from_secs(10);
/// Unused bytes that are worth giving back: more than a busy sidecar's heap breathes by.
const WORTH: usize = 8 << 20;

/// Looks at the heap again and again until the tasks are asked to stop.
pub fn keep_small(tasks: &Tasks) {
    let stopping = tasks.stopping().clone();
    tasks.spawn("heap", async move {
        stopping.run_until_cancelled(looks()).await;
    });
}

async fn looks() {
    let mut ticks = interval(PACE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let unused = mesh_heap::unused();
        if unused > WORTH {
            let some = mesh_heap::trim();
            tracing::debug!(unused, some, "gave unused pages back");
        }
    }
}
