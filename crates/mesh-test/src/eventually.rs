//! The one place that waits: asks again until the answer is there or a deadline has passed.
//!
//! For what cannot be awaited, such as another process. Prefer an event where there is one.

use std::time::{Duration, Instant};

use mesh_model::time::Clock;
use mesh_runtime::SystemClock;

/// How long to wait unless told otherwise.
pub const DEADLINE: Duration = Duration::from_secs(60);
/// Time between two questions.
const PAUSE: Duration = Duration::from_millis(10);

/// Asks `question` until it answers `Ok`, for at most [`DEADLINE`]; blocks the thread.
///
/// # Panics
/// At the deadline, with the last `Err`.
#[track_caller]
pub fn eventually<T, E: std::fmt::Debug>(what: &str, question: impl FnMut() -> Result<T, E>) -> T {
    eventually_for(DEADLINE, what, question)
}

/// As [`eventually`], within `limit`.
///
/// # Panics
/// At the deadline, with the last `Err`.
#[track_caller]
pub fn eventually_for<T, E: std::fmt::Debug>(
    limit: Duration,
    what: &str,
    mut question: impl FnMut() -> Result<T, E>,
) -> T {
    let deadline = Deadline::start(limit);
    loop {
        match question() {
            Ok(answer) => return answer,
            Err(last) if deadline.passed() => panic!("{what}: not within {limit:?}: {last:?}"),
            Err(_) => pause(),
        }
    }
}

/// As [`eventually`], for questions that are futures, within `limit`.
///
/// # Panics
/// At the deadline, with the last `Err`.
pub async fn eventually_within<T, E, F>(
    what: &str,
    limit: Duration,
    mut question: impl FnMut() -> F,
) -> T
where
    E: std::fmt::Debug,
    F: Future<Output = Result<T, E>>,
{
    let deadline = Deadline::start(limit);
    loop {
        match question().await {
            Ok(answer) => return answer,
            Err(last) if deadline.passed() => panic!("{what}: not within {limit:?}: {last:?}"),
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// As [`eventually`], for questions that are futures.
///
/// # Panics
/// At the deadline, with the last `Err`.
pub async fn eventually_async<T, E, F>(what: &str, question: impl FnMut() -> F) -> T
where
    E: std::fmt::Debug,
    F: Future<Output = Result<T, E>>,
{
    eventually_within(what, DEADLINE, question).await
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place of the tests that waits by the clock"
)]
fn pause() {
    std::thread::sleep(PAUSE);
}

struct Deadline {
    start: Instant,
    limit: Duration,
}

impl Deadline {
    fn start(limit: Duration) -> Self {
        Self {
            start: SystemClock.now(),
            limit,
        }
    }

    fn passed(&self) -> bool {
        SystemClock.now().duration_since(self.start) >= self.limit
    }
}
