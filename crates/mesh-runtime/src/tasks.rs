//! Tasks with names: the only way to start one, so that none is lost and no panic goes unseen.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use prometheus::{IntCounter, IntCounterVec, Opts, Registry};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The tasks of a process, or of a part of it that stops on its own.
#[derive(Debug, Clone)]
pub struct Tasks {
    tracker: TaskTracker,
    stopping: CancellationToken,
    panics: IntCounterVec,
}

impl Tasks {
    /// Counts panics in `registry` as `mesh_task_panics_total{task}`.
    #[must_use]
    pub fn new(registry: &Registry) -> Self {
        let panics = panic_counter();
        // A second `Tasks` on the same registry keeps a counter of its own that nobody prints.
        if let Err(error) = registry.register(Box::new(panics.clone())) {
            tracing::debug!(%error, "task counter is registered already");
        }
        Self {
            tracker: TaskTracker::new(),
            stopping: CancellationToken::new(),
            panics,
        }
    }

    /// A group that stops when this one does, or earlier by its own [`Tasks::stop`].
    #[must_use]
    pub fn group(&self) -> Self {
        Self {
            tracker: TaskTracker::new(),
            stopping: self.stopping.child_token(),
            panics: self.panics.clone(),
        }
    }

    /// Starts a task on the current runtime.
    pub fn spawn<F>(&self, name: &'static str, future: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let guarded = guard(name, self.panics_of(name), future);
        self.tracker.spawn(guarded);
    }

    /// Starts a task that stays on this thread; needs a `LocalSet` or a local runtime.
    pub fn spawn_local<F>(&self, name: &'static str, future: F)
    where
        F: Future<Output = ()> + 'static,
    {
        let guarded = guard(name, self.panics_of(name), future);
        self.tracker.spawn_local(guarded);
    }

    /// Runs work that blocks on a thread made for it.
    pub fn spawn_blocking<F>(&self, name: &'static str, work: F)
    where
        F: FnOnce() + Send + 'static,
    {
        let panics = self.panics_of(name);
        self.tracker.spawn_blocking(move || {
            if std::panic::catch_unwind(AssertUnwindSafe(work)).is_err() {
                report_panic(name, &panics);
            }
        });
    }

    /// The counter of a task's panics: it is there, at zero, from the first start of the task.
    fn panics_of(&self, name: &'static str) -> IntCounter {
        self.panics.with_label_values(&[name])
    }

    /// Is cancelled when the tasks shall come to an end.
    #[must_use]
    pub fn stopping(&self) -> &CancellationToken {
        &self.stopping
    }

    /// Asks all tasks to end and waits for them; false when some were still running after `grace`.
    pub async fn stop(&self, grace: Duration) -> bool {
        self.stopping.cancel();
        self.tracker.close();
        tokio::time::timeout(grace, self.tracker.wait())
            .await
            .is_ok()
    }
}

fn panic_counter() -> IntCounterVec {
    let options = Opts::new("mesh_task_panics_total", "Tasks that ended by a panic");
    #[expect(
        clippy::expect_used,
        reason = "name and label are constants that Prometheus accepts"
    )]
    IntCounterVec::new(options, &["task"]).expect("the metric's name is valid")
}

async fn guard<F: Future<Output = ()>>(name: &'static str, panics: IntCounter, future: F) {
    if AssertUnwindSafe(future).catch_unwind().await.is_err() {
        report_panic(name, &panics);
    }
}

fn report_panic(name: &'static str, panics: &IntCounter) {
    panics.inc();
    tracing::error!(task = name, "task panicked");
}

#[cfg(test)]
mod tests;
