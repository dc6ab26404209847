//! Runs journeys in order and says what became of each, as Rust's own test runner does.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use mesh_model::time::Clock;
use mesh_runtime::SystemClock;

use crate::evidence;
use crate::world::World;

/// One journey through something.
#[derive(Debug)]
pub(crate) struct Journey<T = World> {
    pub(crate) name: &'static str,
    deadline: Duration,
    run: fn(&T),
}

impl<T> Journey<T> {
    /// A journey that may take so many seconds.
    pub(crate) const fn new(name: &'static str, seconds: u64, run: fn(&T)) -> Self {
        Self {
            name,
            deadline: Duration::from_secs(seconds),
            run,
        }
    }
}

/// How a journey ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Arrived,
    /// It reported why.
    Failed,
    /// It is still under way, and cannot be stopped.
    Lost,
}

/// Runs those that are asked for; without the first none of the others can be.
pub(crate) fn run(journeys: &[Journey]) -> ExitCode {
    let asked: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-'))
        .collect();
    let wanted =
        |name: &str| asked.is_empty() || asked.iter().any(|part| name.contains(part.as_str()));
    let (first, others) = journeys.split_first().expect("there are journeys");
    let others = others.iter().filter(|journey| wanted(journey.name));
    let chosen: Vec<&Journey> = std::iter::once(first).chain(others).collect();
    say(&format!("\nrunning {} tests", chosen.len()));
    let start = SystemClock.now();
    let (mut passed, mut failed) = (0, 0);
    let mut world = None;
    for journey in chosen.iter().copied() {
        let world = world.get_or_insert_with(|| Arc::new(World::start()));
        let (end, seconds) = one(journey, world);
        match end {
            End::Arrived => {
                passed += 1;
                say(&format!("test {} ... ok ({seconds} s)", journey.name));
            }
            End::Failed | End::Lost => {
                failed += 1;
                say(&format!("test {} ... FAILED ({seconds} s)", journey.name));
                let folder = evidence::gather(journey.name, world);
                say(&format!("what there was: {}", folder.display()));
                world.mend();
            }
        }
        if matches!(end, End::Lost) || (failed > 0 && journey.name == first.name) {
            break;
        }
    }
    let left = chosen.len() - passed - failed;
    let word = if failed + left == 0 { "ok" } else { "FAILED" };
    let seconds = SystemClock.now().duration_since(start).as_secs();
    say(&format!(
        "\ntest result: {word}. {passed} passed; {failed} failed; {left} not run; finished in {seconds} s\n"
    ));
    // A journey that is lost may still hold the cluster; the end of this process ends it.
    drop(world);
    ExitCode::from(u8::from(failed + left > 0))
}

/// Runs one: how it ended, and after how many seconds.
pub(crate) fn one<T: Send + Sync + 'static>(journey: &Journey<T>, world: &Arc<T>) -> (End, u64) {
    let start = SystemClock.now();
    let (ended, end) = mpsc::channel();
    let world = Arc::clone(world);
    let thread = std::thread::Builder::new().name(journey.name.to_owned());
    let run = journey.run;
    let under_way = thread.spawn(move || {
        let arrived = catch_unwind(AssertUnwindSafe(|| run(&world))).is_ok();
        // Before it is told: who waits drops the last one.
        drop(world);
        let _nobody_waits = ended.send(arrived);
    });
    under_way.expect("a thread");
    let end = match end.recv_timeout(journey.deadline) {
        Ok(true) => End::Arrived,
        Ok(false) | Err(RecvTimeoutError::Disconnected) => End::Failed,
        Err(RecvTimeoutError::Timeout) => {
            say(&format!(
                "{}: not within {:?}",
                journey.name, journey.deadline
            ));
            End::Lost
        }
    };
    (end, SystemClock.now().duration_since(start).as_secs())
}

/// Tells whoever watches how far it is.
#[expect(clippy::print_stdout, reason = "the runner's voice")]
pub(crate) fn say(line: &str) {
    println!("{line}");
}
