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
