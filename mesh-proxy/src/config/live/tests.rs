use super::*;

#[test]
fn a_request_keeps_the_configuration_that_it_took() {
    let live = LiveConfig::new(Config::default());
    let mut changes = live.changes();
    let taken = live.current();
    live.replace(Config {
        version: 1,
        ..Config::default()
    });
    assert_eq!((taken.version, live.current().version), (0, 1));
    assert!(changes.has_changed().unwrap());
    assert_eq!(*changes.borrow_and_update(), 1);
}

#[test]
fn a_change_is_made_of_what_is_in_force() {
    let live = LiveConfig::new(Config::default());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..250 {
                    live.change(|before| Config {
                        version: before.version + 1,
                        ..Config::default()
                    });
                }
            });
        }
    });
    assert_eq!(
        (live.current().version, *live.changes().borrow()),
        (1000, 1000)
    );
}
