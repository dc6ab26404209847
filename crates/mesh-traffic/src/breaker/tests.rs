//! What a cluster's breakers let through, and what they count.

use super::{Breaker, Resource};
use crate::cluster::{Limits, Retries};

fn mk_limits() -> Limits {
    Limits {
        connections: 2,
        pending: 1,
        requests: 3,
        retries: Retries::Most(1),
    }
}

#[test]
fn what_nothing_bounds_has_no_breaker() {
    assert!(Breaker::new(Limits::NONE).is_none());
    assert!(Breaker::new(Limits::DEFAULT).is_some());
}

#[test]
fn as_many_are_let_through_as_there_may_be_and_the_next_is_counted() {
    let breaker = Breaker::new(mk_limits()).unwrap();
    for (resource, most) in Resource::ALL.into_iter().zip([2, 1, 3, 1]) {
        assert_eq!(breaker.most(resource), most, "{resource:?}");
        let held: Vec<_> = (0..most).map_while(|_| breaker.take(resource)).collect();
        assert_eq!(held.len(), most as usize, "{resource:?}");
        assert!(breaker.is_open(resource), "{resource:?}");
        assert!(breaker.take(resource).is_none(), "{resource:?}");
        assert_eq!(breaker.overflows(resource), 1, "{resource:?}");
        drop(held);
        assert_eq!(breaker.active(resource), 0, "{resource:?}");
        assert!(breaker.take(resource).is_some(), "{resource:?}");
    }
}

#[test]
fn a_bound_of_zero_lets_nothing_through_but_what_must_be() {
    let limits = Limits {
        connections: 0,
        ..mk_limits()
    };
    let breaker = Breaker::new(limits).unwrap();
    assert!(breaker.take(Resource::Connections).is_none());
    let permit = breaker.take_anyway(Resource::Connections);
    assert_eq!(breaker.active(Resource::Connections), 1);
    drop(permit);
    assert_eq!(breaker.active(Resource::Connections), 0);
}

#[test]
fn a_budget_of_retries_grows_with_the_requests() {
    let limits = Limits {
        requests: u32::MAX,
        retries: Retries::Share {
            hundredths: 2_500,
            least: 2,
        },
        ..mk_limits()
    };
    let breaker = Breaker::new(limits).unwrap();
    assert_eq!(breaker.most(Resource::Retries), 2);
    let requests: Vec<_> = (0..15)
        .filter_map(|_| breaker.take(Resource::Requests))
        .collect();
    let waiting = breaker.take(Resource::Pending);
    assert_eq!(breaker.most(Resource::Retries), 4);
    drop((requests, waiting));
    assert_eq!(breaker.most(Resource::Retries), 2);
}

#[test]
fn another_version_goes_on_with_the_counts() {
    let before = Breaker::new(mk_limits()).unwrap();
    let held = before.take(Resource::Pending);
    let limits = Limits {
        pending: 2,
        ..mk_limits()
    };
    let after = Breaker::new(limits).unwrap().following(&before);
    assert_eq!(after, before);
    let second = after.take(Resource::Pending);
    assert!(second.is_some());
    assert!(after.take(Resource::Pending).is_none());
    assert_eq!(before.overflows(Resource::Pending), 1);
    drop((held, second));
    assert_eq!(before.active(Resource::Pending), 0);
}
