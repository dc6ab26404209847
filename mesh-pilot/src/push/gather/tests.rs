use super::*;

/// Changes at the given milliseconds; says at which the pushes go out.
fn pushes(changes: &[u64]) -> Vec<u64> {
    let start = TestStart::default().0;
    let at = |ms: u64| start + Duration::from_millis(ms);
    let mut gather = Gather::default();
    let mut out = Vec::new();
    let mut push = |gather: &mut Gather, until: Option<Instant>| {
        while let Some(due) = gather
            .due()
            .filter(|due| until.is_none_or(|until| *due < until))
        {
            gather.pushed(due);
            out.push(u64::try_from((due - start).as_millis()).unwrap());
        }
    };
    for &change in changes {
        push(&mut gather, Some(at(change)));
        gather.changed(at(change));
    }
    push(&mut gather, None);
    out
}

struct TestStart(Instant);

impl Default for TestStart {
    #[expect(
        clippy::disallowed_methods,
        reason = "an arbitrary moment to count from"
    )]
    fn default() -> Self {
        Self(Instant::now())
    }
}

#[test]
fn a_change_goes_out_at_once() {
    assert_eq!(pushes(&[0]), [0]);
    assert_eq!(pushes(&[0, 200, 400]), [0, 200, 400]);
}

#[test]
fn changes_that_follow_are_gathered() {
    assert_eq!(pushes(&[0, 5, 10, 20]), [0, 45]);
}

#[test]
fn endless_changes_do_not_hold_back_a_push_for_ever() {
    let busy: Vec<u64> = (0..250).map(|i| i * 10).collect();
    assert_eq!(pushes(&busy), [0, 1010, 2020, 2515]);
}
