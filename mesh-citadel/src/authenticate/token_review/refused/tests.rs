use mesh_model::time::Clock;
use mesh_test::clock;

use super::*;

fn digest(number: usize) -> Digest {
    let mut digest = Digest::default();
    for (to, from) in digest.iter_mut().zip(number.to_be_bytes()) {
        *to = from;
    }
    digest
}

#[test]
fn a_refusal_is_remembered_for_a_moment() {
    let (clock, mut refused) = (clock::fixed(), Refused::default());
    refused.insert(digest(1), clock.now());
    assert!(refused.contains(&digest(1), clock.now()));
    assert!(!refused.contains(&digest(2), clock.now()));
    clock.advance(MEMORY);
    assert!(!refused.contains(&digest(1), clock.now()));
}

#[test]
fn the_memory_is_bounded_and_makes_room_in_time() {
    let (clock, mut refused) = (clock::fixed(), Refused::default());
    for number in 0..REFUSALS + 10 {
        refused.insert(digest(number), clock.now());
    }
    assert_eq!(refused.0.len(), REFUSALS);
    clock.advance(MEMORY);
    refused.insert(digest(0), clock.now());
    assert_eq!(refused.0.len(), 1);
}
