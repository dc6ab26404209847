use super::*;

const VERSIONS: &[&str] = &["v1", "v1beta1"];

fn list(version: &'static str) -> Step {
    Step::List {
        version,
        token: None,
        whole: false,
    }
}

fn watch(from: &str) -> Step {
    Step::Watch {
        version: "v1",
        from: from.to_owned(),
    }
}

fn refused() -> Fault {
    Fault::Refused {
        code: 500,
        text: "no".to_owned(),
        wait: Duration::ZERO,
    }
}

/// A course that has listed everything at version 7.
fn watching() -> Course {
    let mut course = Course::new(VERSIONS);
    course.on_page("7".to_owned(), None);
    course
}

#[test]
fn it_lists_page_by_page_and_watches_from_there() {
    let mut course = Course::new(VERSIONS);
    assert_eq!(course.step(), list("v1"));
    course.on_page("7".to_owned(), Some("next".to_owned()));
    let next = Step::List {
        version: "v1",
        token: Some("next".to_owned()),
        whole: false,
    };
    assert_eq!(course.step(), next);
    course.on_page("7".to_owned(), None);
    assert_eq!(course.step(), watch("7"));
    course.on_event("9".to_owned());
    course.on_end(0.0);
    assert_eq!(course.step(), watch("9"));
}

#[test]
fn a_version_that_the_server_has_forgotten_is_listed_anew() {
    let mut course = watching();
    let reaction = course.on_fault(Fault::Gone, 0.0);
    assert_eq!((reaction.trouble, course.step()), (None, list("v1")));
}

#[test]
fn a_token_that_has_expired_makes_it_list_everything_at_once() {
    let mut course = Course::new(VERSIONS);
    course.on_page("7".to_owned(), Some("next".to_owned()));
    course.on_fault(Fault::Gone, 0.0);
    let whole = Step::List {
        version: "v1",
        token: None,
        whole: true,
    };
    assert_eq!(course.step(), whole);
    course.on_page("9".to_owned(), None);
    course.on_fault(Fault::Gone, 0.0);
    assert_eq!(course.step(), list("v1"));
}

#[test]
fn an_older_version_is_used_where_the_newest_is_not_served() {
    let mut course = Course::new(VERSIONS);
    let reaction = course.on_fault(Fault::Missing, 0.0);
    assert_eq!(reaction, Reaction::after(Duration::ZERO));
    assert_eq!(course.step(), list("v1beta1"));
    course.on_page("7".to_owned(), None);
    let of_the_older = Step::Watch {
        version: "v1beta1",
        from: "7".to_owned(),
    };
    assert_eq!(course.step(), of_the_older);
}

#[test]
fn a_kind_that_is_not_installed_is_asked_for_again_and_its_objects_go_when_that_is_certain() {
    let mut course = Course::new(VERSIONS);
    for round in 1..=4 {
        course.on_fault(Fault::Missing, 1.0);
        let reaction = course.on_fault(Fault::Missing, 1.0);
        assert_eq!(reaction.trouble, Some(Trouble::Missing));
        assert!(reaction.settled && reaction.wait >= SLOW.0);
        assert_eq!(reaction.vanished, round >= 3, "round {round}");
        assert_eq!(course.step(), list("v1"));
    }
    course.on_page("7".to_owned(), None);
    course.on_fault(Fault::Missing, 1.0);
    course.on_fault(Fault::Missing, 1.0);
    assert!(
        !course.on_fault(Fault::Missing, 1.0).vanished,
        "it was there in between"
    );
}

#[test]
fn without_permission_it_says_for_what_and_keeps_asking() {
    let mut course = Course::new(VERSIONS);
    let reaction = course.on_fault(Fault::Forbidden, 1.0);
    assert_eq!(reaction.trouble, Some(Trouble::Forbidden { verb: "list" }));
    assert!(reaction.settled && reaction.wait >= SLOW.0);
    let mut course = watching();
    let reaction = course.on_fault(Fault::Forbidden, 1.0);
    assert_eq!(reaction.trouble, Some(Trouble::Forbidden { verb: "watch" }));
    assert_eq!(course.step(), list("v1"));
}

#[test]
fn one_broken_connection_is_nothing_to_speak_of() {
    let lost = || Fault::Unreachable("refused".to_owned());
    let mut course = watching();
    assert_eq!(course.on_fault(lost(), 0.0).trouble, None);
    let said = Some(Trouble::Unreachable("refused".to_owned()));
    assert_eq!(course.on_fault(lost(), 0.0).trouble, said);
    assert_eq!(course.step(), watch("7"));
    course.on_watching();
    assert_eq!(course.on_fault(lost(), 0.0).trouble, None);
}

#[test]
fn it_comes_back_within_seconds_however_long_the_server_was_away() {
    let mut course = watching();
    for _ in 0..100 {
        let reaction = course.on_fault(Fault::Unreachable(String::new()), 1.0);
        assert!(reaction.wait <= QUICK.1 && !reaction.settled && !reaction.vanished);
    }
    course.on_event("8".to_owned());
    assert!(course.on_end(1.0) <= QUICK.0);
}

#[test]
fn a_version_that_the_server_refuses_again_and_again_is_doubted() {
    let mut course = watching();
    course.on_fault(refused(), 0.0);
    assert_eq!(course.step(), watch("7"));
    course.on_fault(refused(), 0.0);
    course.on_fault(refused(), 0.0);
    assert_eq!(course.step(), list("v1"));
}

#[test]
fn others_do_not_wait_for_ever_for_a_kind_that_is_refused() {
    let mut course = Course::new(VERSIONS);
    let settled = (0..GIVEN_UP_FROM).map(|_| course.on_fault(refused(), 0.0).settled);
    let settled: Vec<bool> = settled.collect();
    assert_eq!(
        settled,
        [false, false, false, false, false, false, false, true]
    );
}

#[test]
fn a_server_that_wants_to_be_left_alone_is() {
    let mut course = watching();
    let busy = Fault::Refused {
        code: 429,
        text: String::new(),
        wait: Duration::from_secs(9),
    };
    assert_eq!(course.on_fault(busy, 0.0).wait, Duration::from_secs(9));
}

#[test]
fn a_server_that_is_starting_is_no_matter_of_one_kind() {
    for code in [429, 503, 504] {
        let mut course = watching();
        let busy = || Fault::Refused {
            code,
            text: "starting".to_owned(),
            wait: Duration::ZERO,
        };
        assert_eq!(course.on_fault(busy(), 0.0).trouble, None);
        let said = Trouble::Unreachable(format!("it answers {code} starting"));
        assert_eq!(course.on_fault(busy(), 0.0).trouble, Some(said));
    }
}
