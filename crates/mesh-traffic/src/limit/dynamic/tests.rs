use std::borrow::Cow;
use std::time::Duration;

use smallvec::smallvec;

use super::super::descriptor::Entry;
use super::*;
use crate::testing::now;

fn by(value: &str) -> Descriptor<'_> {
    smallvec![Entry {
        key: "user",
        value: Cow::Borrowed(value.as_bytes()),
    }]
}

fn one_each(most: usize) -> Dynamic {
    let filling = Filling {
        most: 1,
        tokens: 1,
        every: Duration::from_secs(3600),
    };
    Dynamic::new(filling, most)
}

#[test]
fn each_value_has_a_bucket_of_its_own() {
    let (all, now) = (one_each(20), now());
    assert!(all.of(&by("a")).take(now));
    assert!(all.of(&by("b")).take(now));
    assert!(!all.of(&by("a")).take(now));
}

#[test]
fn the_one_that_was_not_asked_for_longest_makes_room() {
    let (all, now) = (one_each(2), now());
    for user in ["a", "b", "a", "c"] {
        all.of(&by(user)).take(now);
    }
    assert!(!all.of(&by("a")).take(now));
    assert!(all.of(&by("b")).take(now));
}

#[test]
fn strangers_cannot_make_it_grow() {
    let (all, now) = (one_each(16), now());
    for number in 0..10_000 {
        all.of(&by(&number.to_string())).take(now);
    }
    let kept = all.kept.lock();
    assert_eq!((kept.buckets.len(), kept.order.len()), (16, 16));
}
