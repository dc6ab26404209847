//! When requests of a fixed rate are due, and which of them wait for a free place.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

/// How often the loop wakes when nothing else happens.
const IDLE: Duration = Duration::from_millis(50);

/// The schedule of a fixed rate.
#[derive(Debug)]
pub(super) struct Pace {
    rate: u64,
    scheduled: u64,
    backlog: VecDeque<u64>,
}

impl Pace {
    pub(super) fn new(rate: u32) -> Self {
        Self {
            rate: u64::from(rate.max(1)),
            scheduled: 0,
            backlog: VecDeque::new(),
        }
    }

    /// How often a request is due.
    fn gap(&self) -> Duration {
        Duration::from_nanos(self.at(1))
    }

    /// The next request that is due and not sent yet: when it was due.
    pub(super) fn due(&mut self, now: u64) -> Option<u64> {
        while self.at(self.scheduled) <= now {
            self.backlog.push_back(self.at(self.scheduled));
            self.scheduled += 1;
        }
        self.backlog.front().copied()
    }

    /// The request that [`Pace::due`] named was sent.
    pub(super) fn sent(&mut self) {
        self.backlog.pop_front();
    }

    fn at(&self, number: u64) -> u64 {
        number * 1_000_000_000 / self.rate
    }
}

/// A timer that wakes whoever watches it whenever a request may be due.
pub(super) fn timer(pace: Option<&Pace>) -> io::Result<OwnedFd> {
    let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
    let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
    let gap = pace.map_or(IDLE, Pace::gap).min(IDLE);
    let gap = Timespec {
        tv_sec: 0,
        tv_nsec: i64::from(gap.subsec_nanos()),
    };
    let every = Itimerspec {
        it_interval: gap,
        it_value: gap,
    };
    timerfd_settime(&timer, TimerfdTimerFlags::empty(), &every)?;
    Ok(timer)
}

/// Makes the timer go on: the kernel starts the next period when the last one was read.
pub(super) fn go_on(timer: &OwnedFd) {
    // Nothing to be read means that nothing has ended yet.
    let _periods = rustix::io::read(timer, &mut [0; 8]);
}
