use std::collections::HashSet;

use super::*;

#[test]
fn strings_are_the_same_if_every_octet_is() {
    let text: Vec<u8> = (0..100).collect();
    let copy = text.clone();
    for len in 0..text.len() {
        let one = &text[..len];
        assert!(same(one, &copy[..len]));
        assert!(!same(one, &text[..=len]) && !same(&text[..=len], one));
        for at in 0..len {
            let mut other = one.to_vec();
            other[at] ^= 1;
            assert!(!same(one, &other), "{len} octets, another at {at}");
        }
    }
}

#[test]
fn hashes_of_alike_strings_differ() {
    let mut found = HashSet::new();
    for len in 0..100 {
        let text = vec![b'a'; len];
        assert!(
            found.insert(of(&text, 0)) && found.insert(of(&text, 1)),
            "{len}"
        );
        for at in 0..len {
            let mut other = text.clone();
            other[at] = b'b';
            assert!(found.insert(of(&other, 0)), "{len} octets, another at {at}");
        }
    }
}
