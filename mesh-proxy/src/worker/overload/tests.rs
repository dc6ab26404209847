use super::settings::OverloadFlags;
use super::*;

fn after(level: Level, per_mille: u64) -> Level {
    level.after(per_mille * 64 * 1024, 1000 * 64 * 1024)
}

#[test]
fn each_level_begins_at_its_mark() {
    for (per_mille, level) in [
        (0, Level::Calm),
        (799, Level::Calm),
        (800, Level::Shrink),
        (850, Level::Pause),
        (900, Level::Refuse),
        (950, Level::Shed),
        (4000, Level::Shed),
    ] {
        assert_eq!(after(Level::Calm, per_mille), level, "{per_mille}");
    }
}

#[test]
fn a_level_ends_a_little_below_its_mark() {
    assert_eq!(after(Level::Refuse, 899), Level::Refuse);
    assert_eq!(after(Level::Refuse, 870), Level::Refuse);
    assert_eq!(after(Level::Refuse, 869), Level::Pause);
    assert_eq!(after(Level::Shrink, 849), Level::Shrink);
    assert_eq!(after(Level::Shrink, 769), Level::Calm);
}

#[test]
fn memory_that_is_free_again_ends_all_levels_at_once() {
    assert_eq!(after(Level::Shed, 500), Level::Calm);
}

#[test]
fn a_limit_of_any_size_is_judged() {
    assert_eq!(Level::Calm.after(u64::MAX, u64::MAX), Level::Shed);
    assert_eq!(Level::Calm.after(u64::MAX / 2, u64::MAX), Level::Calm);
    assert_eq!(Level::Calm.after(1, 0), Level::Shed);
}

#[test]
fn the_memory_in_use_is_that_of_the_process() {
    let settings = OverloadSettings {
        memory: Some(1),
        ..OverloadSettings::default()
    };
    let overload = Overload::new(&settings);
    assert!(overload.memory() > 1024 * 1024, "{}", overload.memory());
    assert!(overload.sample());
    assert_eq!(overload.level(), Level::Shed);
    assert!(!overload.sample());
    assert!(overload.excess() > 1024 * 1024);
}

#[test]
fn without_a_limit_there_is_no_level() {
    let overload = Overload::new(&OverloadSettings::default());
    assert!(!overload.sample());
    assert_eq!((overload.level(), overload.excess()), (Level::Calm, 0));
}

#[test]
fn memory_that_nobody_uses_is_forgiven_until_it_is_given_back() {
    let settings = OverloadSettings {
        memory: Some(1),
        ..OverloadSettings::default()
    };
    let overload = Overload::new(&settings);
    overload.sample();
    overload.forgive();
    overload.limit.store(overload.memory(), Ordering::Relaxed);
    let left = overload.memory() / 10 * 3;
    overload.forgiven.store(left, Ordering::Relaxed);
    overload.sample();
    assert_eq!(overload.level(), Level::Calm);
    overload
        .limit
        .store(overload.memory() * 2, Ordering::Relaxed);
    overload.sample();
    assert_eq!(overload.forgiven.load(Ordering::Relaxed), 0);
}

#[test]
fn actions_are_counted_apart() {
    let overload = Overload::new(&OverloadSettings::default());
    overload.count(Action::RequestRefused);
    overload.count(Action::RequestRefused);
    assert_eq!(overload.counted(Action::RequestRefused), 2);
    assert_eq!(overload.counted(Action::ClientRefused), 0);
}

/// An overload manager that asks below a folder for its limit, which is written there as that of
/// one kind of group.
fn asking(folder: &std::path::Path, names: &str) -> Overload {
    std::fs::write(folder.join("cgroup"), names).unwrap();
    let mut overload = Overload::new(&OverloadSettings::default());
    overload.groups = Some(Groups::below(folder));
    overload
}

#[test]
fn a_limit_that_changes_is_followed() {
    for (names, file) in [
        ("0::/pod\n", "pod/memory.max"),
        ("0::/pod\n", "pod/memory.high"),
        ("4:memory:/pod\n", "memory/pod/memory.limit_in_bytes"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(file);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        let overload = asking(folder.path(), names);
        assert!(!overload.ask_limit());
        for (text, limit, level) in [
            ("4294967296\n", Some(4 << 30), Level::Calm),
            ("1\n", Some(1), Level::Shed),
            ("max\n", None, Level::Calm),
            ("4294967296\n", Some(4 << 30), Level::Calm),
        ] {
            std::fs::write(&file, text).unwrap();
            assert!(overload.ask_limit(), "{text}");
            assert!(!overload.ask_limit(), "{text}");
            overload.sample();
            assert_eq!(
                (overload.limit(), overload.level()),
                (limit, level),
                "{text}"
            );
        }
    }
}

#[test]
fn a_limit_that_was_given_is_never_asked_for() {
    let given = OverloadFlags {
        memory_limit: Some(1 << 30),
        ..OverloadFlags::default()
    };
    for (flags, of_machine) in [(given, false), (OverloadFlags::default(), true)] {
        let settings = OverloadSettings::from(flags);
        assert_eq!(Overload::new(&settings).groups.is_some(), of_machine);
    }
}
