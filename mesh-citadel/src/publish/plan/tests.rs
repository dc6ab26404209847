use mesh_model::time::Clock;
use mesh_model::time::TestClock;
use mesh_test::clock;

use super::*;

/// A plan with a clock that is moved by hand; chance is always the longest.
struct Case {
    plan: Plan,
    clock: TestClock,
}

impl Case {
    /// Everything that is there was told of: nothing.
    fn settled() -> Self {
        let mut plan = Plan::default();
        plan.settled(Objects::Namespaces);
        plan.settled(Objects::ConfigMaps { selector: "" });
        Self {
            plan,
            clock: clock::fixed(),
        }
    }

    fn next(&self) -> Next {
        self.plan.next(self.clock.now())
    }

    fn namespace(&mut self, name: &str) {
        self.plan.namespace(name.to_owned(), self.clock.now());
    }

    fn config_map(&mut self, namespace: &str, right: bool) {
        let now = self.clock.now();
        self.plan.config_map(namespace.to_owned(), right, now);
    }

    fn wrote(&mut self, namespace: &str, applied: Result<(), RequestError>) {
        self.plan.wrote(namespace, &applied, self.clock.now(), 1.0);
    }

    fn waits(&self) -> Duration {
        match self.next() {
            Next::Wait(time) => time,
            other => panic!("{other:?}"),
        }
    }
}

fn write(name: &str) -> Next {
    Next::Write(name.to_owned())
}

#[test]
fn nothing_is_written_before_it_is_known_what_is_there() {
    let clock = clock::fixed();
    let mut plan = Plan::default();
    plan.namespace("a".to_owned(), clock.now());
    assert_eq!(plan.next(clock.now()), Next::Nothing);
    plan.settled(Objects::Namespaces);
    plan.settled(Objects::Namespaces);
    assert_eq!(plan.next(clock.now()), Next::Nothing);
    plan.settled(Objects::ConfigMaps { selector: "" });
    assert_eq!(plan.next(clock.now()), write("a"));
}

#[test]
fn a_new_namespace_is_due_at_once_and_one_that_has_the_roots_never() {
    let mut case = Case::settled();
    case.config_map("old", true);
    case.namespace("old");
    assert_eq!(case.next(), Next::Nothing);
    case.namespace("new");
    assert_eq!(case.plan.missing(), 1);
    assert_eq!(case.next(), write("new"));
    case.wrote("new", Ok(()));
    assert_eq!(case.next(), Next::Nothing);
    assert_eq!(case.plan.missing(), 0);
}

#[test]
fn what_was_changed_or_deleted_is_put_back_at_once() {
    let mut case = Case::settled();
    case.namespace("a");
    case.wrote("a", Ok(()));
    case.config_map("a", true);
    case.clock.advance(Duration::from_secs(1));
    case.config_map("a", false);
    assert_eq!(case.next(), write("a"));
    case.wrote("a", Ok(()));
    case.config_map("a", true);
    assert_eq!(case.next(), Next::Nothing);
}

#[test]
fn who_takes_it_away_again_and_again_is_met_ever_later_until_there_is_peace() {
    let mut case = Case::settled();
    case.namespace("a");
    case.wrote("a", Ok(()));
    let mut pauses = Vec::new();
    for _ in 0..6 {
        case.config_map("a", false);
        let pause = case.waits();
        pauses.push(pause.as_millis());
        case.clock.advance(pause);
        assert_eq!(case.next(), write("a"));
        case.wrote("a", Ok(()));
    }
    assert_eq!(pauses, [200, 400, 800, 1600, 3200, 6400]);
    case.clock.advance(PEACE);
    case.config_map("a", false);
    assert_eq!(case.next(), write("a"));
}

#[test]
fn a_namespace_that_refuses_is_tried_ever_later_and_hinders_nobody() {
    let mut case = Case::settled();
    case.namespace("a");
    let mut waited = Duration::ZERO;
    for _ in 0..20 {
        case.wrote("a", Err(RequestError::Forbidden));
        waited = case.waits();
        case.clock.advance(waited);
        assert_eq!(case.next(), write("a"));
    }
    assert_eq!(waited, PAUSES.1);
    case.wrote("a", Err(RequestError::Forbidden));
    case.namespace("b");
    assert_eq!(case.next(), write("b"));
    case.wrote("b", Ok(()));
    // News of the namespace do not make it forget.
    case.namespace("a");
    assert_eq!(case.waits(), PAUSES.1);
    // Once it has worked, a change is put back soon again.
    case.clock.advance(PAUSES.1);
    case.wrote("a", Ok(()));
    case.config_map("a", false);
    assert_eq!(case.waits(), PAUSES.0);
}

#[test]
fn an_api_server_that_is_away_is_asked_by_one_namespace_at_a_time() {
    let mut case = Case::settled();
    case.namespace("a");
    case.namespace("b");
    let away = || Err(RequestError::Unreachable("test".to_owned()));
    for want in [200, 400, 800, 1600, 3200, 5000, 5000] {
        assert_eq!(case.next(), write("a"));
        case.wrote("a", away());
        assert_eq!(case.waits(), Duration::from_millis(want));
        case.clock.advance(Duration::from_millis(want));
    }
    case.wrote("a", Ok(()));
    assert_eq!(case.next(), write("b"));
}

#[test]
fn a_namespace_that_goes_is_forgotten() {
    let mut case = Case::settled();
    case.namespace("a");
    case.plan.no_namespace("a");
    assert_eq!(case.next(), Next::Nothing);
    case.config_map("a", false);
    assert!(case.plan.places.is_empty());
    // One that has come back by its name has nothing.
    case.namespace("a");
    assert_eq!(case.next(), write("a"));
}
