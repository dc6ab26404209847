use super::*;

#[test]
fn dropped_streams_are_known_and_forgotten_ones_forgiven() {
    let mut past = Past::new();
    past.drop(7);
    past.end(9);
    assert!(past.is_dropped(7) && !past.is_dropped(9) && !past.is_dropped(5));
    assert!(past.has_ended(9) && !past.has_ended(7));
    for id in (11..101).step_by(2) {
        past.drop(id);
    }
    assert!(past.is_dropped(7) && past.is_dropped(99) && !past.is_dropped(101));
}
