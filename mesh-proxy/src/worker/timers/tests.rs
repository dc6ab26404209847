use mesh_model::time::Clock;
use mesh_runtime::SystemClock;

use super::*;

fn at(start: Instant, millis: u64) -> Instant {
    start + Duration::from_millis(millis)
}

fn due(timers: &mut Timers<u64>, now: Instant) -> Vec<u64> {
    let mut out = Vec::new();
    timers.expire(now, &mut out);
    out.sort_unstable();
    out
}

#[test]
fn a_timer_is_handed_out_at_its_time_and_not_before() {
    let start = SystemClock.now();
    for millis in [
        1, 2, 63, 64, 65, 127, 128, 4095, 4096, 4097, 262_143, 262_144, 20_000_000,
    ] {
        let mut timers = Timers::new(start);
        timers.set(at(start, millis), millis);
        assert!(
            due(&mut timers, at(start, millis - 1)).is_empty(),
            "{millis}"
        );
        assert_eq!(due(&mut timers, at(start, millis)), [millis]);
        assert_eq!((timers.len(), timers.next()), (0, None));
    }
}

#[test]
fn the_next_call_is_never_later_than_the_first_deadline() {
    let start = SystemClock.now();
    let mut random = fastrand::Rng::with_seed(3);
    let mut timers = Timers::new(start);
    let mut waiting: Vec<u64> = Vec::new();
    let mut now = 0u64;
    for _ in 0..20_000 {
        if random.u8(..) < 200 {
            let far = 1u64 << random.u32(0..22);
            let deadline = now + 1 + random.u64(0..far);
            timers.set(at(start, deadline), deadline);
            waiting.push(deadline);
        }
        let first = waiting.iter().min().copied();
        if let Some(first) = first {
            assert!(timers.next().unwrap() <= at(start, first));
        }
        now += random.u64(0..200);
        let got = due(&mut timers, at(start, now));
        let mut expected: Vec<u64> = waiting.iter().copied().filter(|d| *d <= now).collect();
        expected.sort_unstable();
        waiting.retain(|d| *d > now);
        assert_eq!(got, expected, "at {now}");
    }
}

#[test]
fn a_cancelled_timer_is_not_handed_out() {
    let start = SystemClock.now();
    let mut timers = Timers::new(start);
    let key = timers.set(at(start, 10), 1);
    timers.set(at(start, 10), 2);
    timers.cancel(key);
    assert_eq!(due(&mut timers, at(start, 10)), [2]);
    timers.cancel(key);
    assert_eq!(timers.len(), 0);
}

#[test]
fn cancelled_timers_leave_nothing_and_the_others_come_in_time() {
    let start = SystemClock.now();
    let mut random = fastrand::Rng::with_seed(5);
    let mut timers = Timers::new(start);
    let mut waiting: Vec<(u64, TimerKey)> = Vec::new();
    let mut now = 0u64;
    for _ in 0..20_000 {
        let far = 1u64 << random.u32(0..22);
        let deadline = now + 1 + random.u64(0..far);
        waiting.push((deadline, timers.set(at(start, deadline), deadline)));
        if random.u8(..) < 220 {
            let (_, key) = waiting.swap_remove(random.usize(0..waiting.len()));
            timers.cancel(key);
        }
        now += random.u64(0..100);
        let got = due(&mut timers, at(start, now));
        let over = waiting.iter().map(|(deadline, _)| *deadline);
        let mut expected: Vec<u64> = over.filter(|deadline| *deadline <= now).collect();
        expected.sort_unstable();
        waiting.retain(|(deadline, _)| *deadline > now);
        assert_eq!(got, expected, "at {now}");
        assert_eq!(
            (timers.placed(), timers.len()),
            (waiting.len(), waiting.len())
        );
    }
}

#[test]
fn a_deadline_that_has_passed_is_due_at_the_next_tick() {
    let start = SystemClock.now();
    let mut timers = Timers::new(start);
    assert!(due(&mut timers, at(start, 100)).is_empty());
    timers.set(at(start, 50), 50);
    assert_eq!(due(&mut timers, at(start, 101)), [50]);
}
