use super::*;

fn shelf(things: impl IntoIterator<Item = u8>) -> Shelf<u8> {
    let mut shelf = Shelf::default();
    things.into_iter().for_each(|thing| shelf.put(thing));
    shelf
}

#[test]
fn the_last_one_put_is_the_first_one_taken() {
    let mut shelf = shelf([1, 2]);
    assert_eq!(shelf.take(), Some(2));
    assert_eq!(shelf.take(), Some(1));
    assert_eq!(shelf.take(), None);
}

#[test]
fn what_nobody_needs_goes_with_the_second_sweep() {
    let mut shelf = shelf(0..5);
    assert!(shelf.sweep().is_empty(), "they have only just come");
    let (one, other) = (shelf.take().unwrap(), shelf.take().unwrap());
    shelf.put(other);
    shelf.put(one);
    assert_eq!(shelf.sweep(), [0, 1, 2]);
    assert_eq!(shelf.len(), 2);
    assert_eq!(shelf.sweep(), [3, 4]);
    assert_eq!(shelf.len(), 0);
}

#[test]
fn what_is_in_use_all_the_time_stays() {
    let mut shelf = shelf(0..3);
    for _ in 0..10 {
        let taken: Vec<u8> = std::iter::from_fn(|| shelf.take()).collect();
        taken.into_iter().for_each(|thing| shelf.put(thing));
        assert!(shelf.sweep().is_empty());
    }
    assert_eq!(shelf.len(), 3);
}

#[test]
fn no_more_are_left_than_asked_for() {
    let mut shelf = shelf(0..9);
    shelf.truncate(1);
    assert_eq!(shelf.len(), 1);
    assert_eq!(shelf.take(), Some(0));
}
