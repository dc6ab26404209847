//! Requests at a steady rate, whatever becomes of them, and what became of them.

use std::sync::Arc;
use std::time::Duration;

use mesh_runtime::Tasks;
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::time::MissedTickBehavior;

use crate::calls::{Call, Caller};

/// Requests that may be under way at once; more wait for one that ends.
const AT_ONCE: u32 = 2000;
/// Failures that are told in words.
const TOLD: usize = 50;

/// What is asked for.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Wish {
    #[serde(flatten)]
    call: Call,
    /// Requests per second.
    rate: u32,
    /// A part of every body.
    #[serde(default)]
    expect: String,
}

/// A load under way.
pub(crate) struct Load {
    state: Arc<State>,
    /// Of this load alone; those of requests go on when it ends.
    tasks: Tasks,
}

struct State {
    wish: Wish,
    caller: Caller,
    permits: Arc<Semaphore>,
    tally: Mutex<Tally>,
}

#[derive(Default)]
struct Tally {
    sent: u64,
    good: u64,
    failed: u64,
    failures: Vec<String>,
}

impl Load {
    /// Begins.
    pub(crate) fn start(wish: Wish, tasks: &Tasks) -> Self {
        let state = Arc::new(State {
            wish,
            caller: Caller::default(),
            permits: Arc::new(Semaphore::new(AT_ONCE as usize)),
            tally: Mutex::default(),
        });
        let own = tasks.group();
        let run = run(Arc::clone(&state), tasks.clone());
        let until = own.stopping().clone();
        own.spawn("load", async move {
            let _ended = until.run_until_cancelled(run).await;
        });
        Self { state, tasks: own }
    }

    /// What became of it so far.
    pub(crate) fn tally(&self) -> Value {
        let tally = self.state.tally.lock();
        json!({"sent": tally.sent, "good": tally.good, "failed": tally.failed,
            "failures": tally.failures})
    }

    /// Sends no more, and waits for those under way.
    pub(crate) async fn end(self) -> Value {
        self.tasks.stopping().cancel();
        let _all_came_back = self.state.permits.acquire_many(AT_ONCE).await;
        self.tally()
    }
}

async fn run(state: Arc<State>, tasks: Tasks) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / state.wish.rate.max(1));
    // Who was held up sends less, not all at once.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Ok(permit) = Arc::clone(&state.permits).acquire_owned().await else {
            return;
        };
        state.tally.lock().sent += 1;
        let state = Arc::clone(&state);
        tasks.spawn("request", async move {
            state.one().await;
            drop(permit);
        });
    }
}

impl State {
    async fn one(&self) {
        let answered = self.caller.call(&self.wish.call).await;
        let mut tally = self.tally.lock();
        match answered {
            Ok(answer) if answer.status == 200 && answer.body.contains(&self.wish.expect) => {
                tally.good += 1;
            }
            Ok(answer) => tally.fail(&format!("{} {}", answer.status, answer.body)),
            Err(why) => tally.fail(&why),
        }
    }
}

impl Tally {
    fn fail(&mut self, why: &str) {
        self.failed += 1;
        if self.failures.len() < TOLD {
            let number = self.sent;
            self.failures.push(format!("about request {number}: {why}"));
        }
    }
}
