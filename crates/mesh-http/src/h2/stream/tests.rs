use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever comes and goes, and however the identifiers meet in one place.
    #[test]
    fn streams_are_found_while_they_are_there(steps in prop::collection::vec((0_u32..64, any::<bool>()), 0..300)) {
        let mut streams = Streams::default();
        let mut model = BTreeSet::new();
        for (number, add) in steps {
            // Multiples of 16 collide in small tables.
            let id = number % 8 * 32 + number / 8 * 2 + 1;
            if add && model.insert(id) {
                streams.insert(Stream::new(id, 0, 0));
            } else if !add {
                prop_assert_eq!(streams.remove(id).is_some(), model.remove(&id));
            }
            prop_assert_eq!(streams.len(), model.len());
            for id in (1..300).step_by(2) {
                prop_assert_eq!(streams.get(id).map(|s| s.id), model.get(&id).copied());
            }
            let listed: BTreeSet<_> = streams.iter().map(|s| s.id).collect();
            prop_assert_eq!(&listed, &model);
        }
    }
}

#[test]
fn stream_0_is_never_found() {
    let mut streams = Streams::default();
    assert!(streams.get(0).is_none());
    streams.insert(Stream::new(1, 0, 0));
    assert!(streams.get(0).is_none());
    assert!(streams.remove(0).is_none());
}
