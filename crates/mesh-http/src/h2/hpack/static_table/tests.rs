use super::*;

#[test]
fn every_entry_is_found_by_its_field() {
    for (at, (name, value)) in ENTRIES.iter().enumerate() {
        let first = index_of_name(hash::of(name, 0), name).unwrap();
        assert_eq!(entry(first).unwrap().0, *name);
        assert!(first == 1 || entry(first - 1).unwrap().0 != *name);
        let found = index_of_value(first, value);
        assert_eq!(found, (!value.is_empty()).then_some(at + 1));
        assert_eq!(index_of_value(first, b"another"), None);
    }
}

#[test]
fn what_is_no_name_of_an_entry_is_not_found() {
    let others: [&[u8]; 6] = [
        b"",
        b"x",
        b":",
        b"grpc-status",
        b"accept-encodin",
        b"Accept",
    ];
    for name in others {
        assert_eq!(index_of_name(hash::of(name, 0), name), None);
        // Whatever the hash, nothing but the name is found, and the search ends.
        for slot in 0..NAME_SLOTS as u64 {
            assert_eq!(index_of_name(slot, name), None);
        }
    }
}

#[test]
fn indexes_begin_with_one() {
    assert_eq!(entry(0), None);
    assert_eq!(entry(1), Some((&b":authority"[..], &b""[..])));
    assert_eq!(entry(LEN), Some((&b"www-authenticate"[..], &b""[..])));
    assert_eq!(entry(LEN + 1), None);
}
