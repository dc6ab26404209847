use super::*;

fn start() -> Instant {
    mesh_runtime::SystemClock.now()
}

fn of(holder: &str, renewed: &str) -> Lease {
    Lease {
        metadata: Meta {
            resource_version: "7".to_owned(),
        },
        spec: Spec {
            holder_identity: Some(holder.to_owned()),
            lease_duration_seconds: 15,
            renew_time: Some(renewed.to_owned()),
            ..Spec::default()
        },
    }
}

fn write(taken: bool) -> Move {
    Move::Write {
        version: "7".to_owned(),
        taken,
    }
}

#[test]
fn a_lease_that_nobody_holds_is_taken() {
    let mut election = Election::new("me".to_owned());
    assert_eq!(election.on_read(start(), None), Move::Create);
    assert_eq!(election.on_read(start(), Some(&of("", "1"))), write(true));
    assert_eq!(
        election.on_read(start(), Some(&of("me", "1"))),
        write(false)
    );
}

#[test]
fn the_lease_of_another_is_left_to_it_until_it_was_seen_unchanged_for_long_enough() {
    let (mut election, start) = (Election::new("me".to_owned()), start());
    let mut at = |seconds, renewed| {
        let now = start + Duration::from_secs(seconds);
        election.on_read(now, Some(&of("other", renewed)))
    };
    assert_eq!(at(0, "1"), Move::Leave);
    assert_eq!(at(14, "1"), Move::Leave);
    assert_eq!(at(16, "2"), Move::Leave, "it has been renewed");
    assert_eq!(at(30, "2"), Move::Leave);
    assert_eq!(at(31, "2"), write(true));
}

#[test]
fn times_have_six_digits_behind_the_second() {
    let moment = UNIX_EPOCH + Duration::from_micros(1_000_000 * 60 + 42);
    assert_eq!(micro_time(moment), "1970-01-01T00:01:00.000042Z");
}
