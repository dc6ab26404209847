use std::sync::atomic::AtomicU32;
use std::time::SystemTime;

use mesh_runtime::Tasks;
use mesh_test::clock::SystemClock;

use super::*;
use crate::http::observe::Unobserved;
use crate::worker::overload::settings::OverloadSettings;

/// A clock that goes on by half a millisecond whenever somebody looks at it.
struct Ticking {
    began: Instant,
    looks: AtomicU32,
}

impl Clock for Ticking {
    fn now(&self) -> Instant {
        let looks = self.looks.fetch_add(1, Ordering::Relaxed);
        self.began + looks * Duration::from_micros(500)
    }

    fn wall(&self) -> SystemTime {
        SystemClock.wall()
    }
}

fn mk_engine() -> Engine {
    let clock = Ticking {
        began: SystemClock.now(),
        looks: AtomicU32::new(0),
    };
    let shared = Shared {
        live: Arc::new(LiveConfig::new(mesh_traffic::Config::default())),
        identity: None,
        clock: Arc::new(clock),
        own: OwnMetadata::default(),
        observers: Box::new(|| Rc::new(Unobserved)),
        tasks: Tasks::new(&prometheus::Registry::new()),
        overload: Arc::new(Overload::new(&OverloadSettings::default())),
    };
    let (_door, inbox) = mpsc::channel(1);
    Engine::new(&shared, Poll::new().unwrap(), inbox, Arc::default()).unwrap()
}

/// However much there is to do, the kernel is asked again soon who else is ready.
#[test]
fn a_turn_ends_with_work_left_when_its_time_is_over() {
    const WORK: usize = 1000;
    let mut engine = mk_engine();
    let nobody = Work::Free(ConnKey::default());
    engine.work.extend([nobody; WORK]);
    let mut turns = 0;
    while !engine.work.is_empty() {
        let before = engine.work.len();
        engine.turn(&Events::with_capacity(1));
        turns += 1;
        let done = before - engine.work.len();
        // The time is looked at after every eighth piece, and each look takes half a millisecond.
        assert!((1..=32).contains(&done), "{done} pieces of work in a turn");
    }
    assert!(turns >= WORK / 32, "{turns}");
}
