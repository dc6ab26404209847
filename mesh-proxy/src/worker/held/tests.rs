use super::*;

const MIB: usize = 1 << 20;

/// A worker with a budget of 8 MiB that holds so much.
fn holding(bytes: usize) -> (Held, Holding) {
    let mut held = Held::new(8 * MIB);
    let mut all = Holding::default();
    held.note(&mut all, bytes);
    (held, all)
}

#[test]
fn room_falls_with_what_is_held() {
    for (bytes, room) in [
        (0, HIGH_WATER),
        (4 * MIB, HIGH_WATER),
        (5 * MIB, HIGH_WATER / 4 * 3),
        (6 * MIB, HIGH_WATER / 2),
        (7 * MIB, HIGH_WATER / 4),
        (8 * MIB, LEAST),
        (80 * MIB, LEAST),
    ] {
        assert_eq!(holding(bytes).0.room(), room, "{bytes}");
    }
}

#[test]
fn only_full_room_is_read_without_a_bound() {
    assert_eq!(holding(0).0.at_once(), usize::MAX);
    assert_eq!(holding(8 * MIB).0.at_once(), LEAST);
}

#[test]
fn room_falls_with_the_level() {
    let mut held = Held::new(8 * MIB);
    for (level, room) in [
        (Level::Shrink, HIGH_WATER),
        (Level::Pause, LEAST),
        (Level::Shed, LEAST),
        (Level::Calm, HIGH_WATER),
    ] {
        held.follow(level, 8 * MIB);
        assert_eq!(held.room(), room, "{level:?}");
    }
}

#[test]
fn those_who_waited_are_told_once_when_there_is_room_again() {
    let (mut held, mut all) = holding(8 * MIB);
    assert!(!held.has_eased());
    held.note(&mut all, 4 * MIB);
    assert!(!held.has_eased());
    held.note(&mut all, MIB);
    assert!(held.has_eased());
    assert!(!held.has_eased());
}

#[test]
fn a_limit_that_is_raised_makes_room() {
    let (mut held, _) = holding(8 * MIB);
    held.follow(Level::Calm, 64 * MIB);
    assert_eq!(held.room(), HIGH_WATER);
    assert!(held.has_eased());
}

#[test]
fn windows_are_promised_by_what_is_left() {
    let windows = |held: &Held| {
        let limits = held.within(h2::Limits::SIDECAR);
        (limits.stream_window, limits.connection_buffer)
    };
    assert_eq!(windows(&holding(0).0), (64 * 1024, 256 * 1024));
    assert_eq!(windows(&holding(8 * MIB).0), (16 * 1024, 64 * 1024));
    let unbounded = Held::new(usize::MAX);
    assert_eq!(unbounded.within(h2::Limits::SIDECAR), h2::Limits::SIDECAR);
    assert_eq!(unbounded.room(), HIGH_WATER);
}

/// However many stall, they never hold more than the budget and the least of each.
#[test]
fn a_burst_of_peers_that_take_nothing_stays_within_the_budget() {
    const READ: usize = 96 * 1024;
    for (peers, budget) in [(1, MIB), (50, MIB / 2), (1000, 5 * MIB), (3000, 64 * MIB)] {
        let mut held = Held::new(budget);
        let mut each: Vec<Holding> = Vec::new();
        each.resize_with(peers, Holding::default);
        for _ in 0..40 {
            for holding in &mut each {
                // One more read, as long as what was read before leaves room.
                if holding.0 < held.room() {
                    let most = held.at_once().min(READ);
                    held.add(holding, most);
                }
            }
        }
        let most = budget + READ + peers * 2 * LEAST;
        assert!(held.bytes <= most, "{} of {most}", held.bytes);
        for holding in &mut each {
            held.note(holding, 0);
        }
        assert_eq!(held.bytes, 0);
    }
}

#[test]
fn everybody_is_asked_once_to_give_back_each_time_it_gets_tight() {
    let (mut held, mut holding) = holding(6 * MIB);
    assert!(held.has_tightened());
    assert!(!held.has_tightened());
    held.note(&mut holding, 0);
    assert!(held.has_eased());
    held.note(&mut holding, 6 * MIB);
    assert!(held.has_tightened());
}
