//! Clocks for tests: one that is moved by hand, and the machine's.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mesh_model::time::Clock;
pub use mesh_model::time::TestClock;
pub use mesh_runtime::SystemClock;

/// A clock that stands at a fixed date (2026-01-01 00:00 UTC) until it is moved.
#[must_use]
pub fn fixed() -> TestClock {
    let wall = UNIX_EPOCH + Duration::from_secs(1_767_225_600);
    TestClock::starting_at(SystemClock.now(), wall)
}

/// The machine's date, for certificates that real connections judge.
#[must_use]
pub fn now() -> SystemTime {
    SystemClock.wall()
}
