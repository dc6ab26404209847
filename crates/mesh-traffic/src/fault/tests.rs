use super::*;

const HALF: Share = Share {
    numerator: 1,
    denominator: 2,
};

#[test]
fn a_share_takes_as_many_as_it_says() {
    let taken = |numerator, denominator| {
        let share = Share {
            numerator,
            denominator,
        };
        (0..1_000_000).filter(|draw| share.takes(*draw)).count()
    };
    assert_eq!(taken(0, 100), 0);
    assert_eq!(taken(100, 100), 1_000_000);
    assert_eq!(taken(125_000, 1_000_000), 125_000);
    assert_eq!(taken(1, 0), 0);
}

#[test]
fn delay_and_abort_are_drawn_for_by_themselves() {
    let fault = Fault {
        delay: Some((HALF, Duration::from_secs(1))),
        abort: Some((HALF, Abort::Http(555))),
    };
    let drawn = |mut draws: Vec<u64>| fault.draw(|| draws.remove(0));
    let (wait, answer) = (Some(Duration::from_secs(1)), Some(Abort::Http(555)));
    for (draws, delay, abort) in [
        ([0, 0], wait, answer),
        ([0, 1], wait, None),
        ([1, 0], None, answer),
        ([1, 1], None, None),
    ] {
        assert_eq!(drawn(draws.into()), Injected { delay, abort });
    }
}
