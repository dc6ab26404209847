use proptest::prelude::*;

use super::*;

fn fields(pairs: &[(&str, &str)]) -> Fields {
    let mut fields = Fields::new();
    for (name, value) in pairs {
        fields.append(name, value).unwrap();
    }
    fields
}

#[test]
fn names_are_lowered_and_values_trimmed() {
    let fields = fields(&[("X-One", " a b \t")]);
    assert_eq!(fields.iter().collect::<Vec<_>>(), [("x-one", &b"a b"[..])]);
    assert_eq!(fields.get_str("X-ONE"), Some("a b"));
}

#[test]
fn set_replaces_all_of_a_name_and_leaves_the_others_in_order() {
    let mut list = fields(&[("a", "1"), ("b", "2"), ("A", "3")]);
    list.set("a", "4").unwrap();
    assert_eq!(list, fields(&[("b", "2"), ("a", "4")]));
    assert!(list.remove("A") && !list.remove("a"));
    assert_eq!(list, fields(&[("b", "2")]));
}

#[test]
fn what_could_split_a_message_is_refused() {
    let mut list = Fields::new();
    assert_eq!(list.append("a b", "x"), Err(BadField::Name));
    assert_eq!(list.append("", "x"), Err(BadField::Name));
    assert_eq!(list.append("a:", "x"), Err(BadField::Name));
    assert_eq!(list.append("a", "x\r\ny: z"), Err(BadField::Value));
    assert_eq!(list.append("a", b"x\0"), Err(BadField::Value));
    assert_eq!(list.append("a", b"x\x0by"), Err(BadField::Value));
    assert_eq!(list.append("a", b"x\x7f"), Err(BadField::Value));
    list.append("a", "kept").unwrap();
    assert!(list.set("a", "x\n").is_err());
    assert_eq!(list.get_str("a"), Some("kept"));
}

#[test]
fn the_spelling_of_a_name_is_kept_beside_its_lower_case() {
    let mut list = fields(&[("X-One", "1"), ("two", "2"), ("X-One", "3")]);
    list.set("Two", "4").unwrap();
    let spelled = [("X-One", &b"1"[..]), ("X-One", b"3"), ("Two", b"4")];
    assert_eq!(list.iter_spelled().collect::<Vec<_>>(), spelled);
    assert_eq!(
        list,
        fields(&[("x-one", "1"), ("x-one", "3"), ("two", "4")])
    );
    assert_eq!(list.clone().iter_spelled().collect::<Vec<_>>(), spelled);
}

#[test]
fn copying_into_old_fields_takes_no_new_memory() {
    let mut copy = fields(&[("a", "a long value that is here already"), ("b", "c")]);
    let room = (copy.bytes.as_ptr(), copy.entries.as_ptr());
    let source = fields(&[("X-One", "1")]);
    copy.clone_from(&source);
    assert_eq!(copy, source);
    assert_eq!((copy.bytes.as_ptr(), copy.entries.as_ptr()), room);
}

/// What a caller may do to fields.
#[derive(Debug, Clone)]
enum Change {
    Append(String, Vec<u8>),
    Set(String, Vec<u8>),
    Remove(String),
    Clear,
}

fn change() -> impl Strategy<Value = Change> {
    let name = || "[abAB]{1,2}";
    let value =
        || proptest::collection::vec(prop_oneof![Just(b'x'), Just(b' '), any::<u8>()], 0..4);
    prop_oneof![
        4 => (name(), value()).prop_map(|(n, v)| Change::Append(n, v)),
        3 => (name(), value()).prop_map(|(n, v)| Change::Set(n, v)),
        2 => name().prop_map(Change::Remove),
        1 => Just(Change::Clear),
    ]
}

/// The same change to a plain list of pairs.
fn change_slowly(list: &mut Vec<(String, Vec<u8>)>, change: &Change) {
    let fit = |value: &[u8]| !value.iter().any(|b| b.is_ascii_control() && *b != b'\t');
    match change {
        Change::Append(name, value) | Change::Set(name, value) => {
            // White space goes before the check, so that it cannot hide anything.
            let value = trim(value);
            if !fit(value) {
                return;
            }
            if matches!(change, Change::Set(..)) {
                list.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
            }
            list.push((name.to_ascii_lowercase(), value.to_vec()));
        }
        Change::Remove(name) => list.retain(|(other, _)| !other.eq_ignore_ascii_case(name)),
        Change::Clear => list.clear(),
    }
}

proptest! {
    #[test]
    fn flat_storage_behaves_like_a_list(changes in proptest::collection::vec(change(), 0..30)) {
        let (mut flat, mut list) = (Fields::new(), Vec::new());
        for change in &changes {
            change_slowly(&mut list, change);
            match change {
                Change::Append(name, value) => drop(flat.append(name, value)),
                Change::Set(name, value) => drop(flat.set(name, value)),
                Change::Remove(name) => drop(flat.remove(name)),
                Change::Clear => flat.clear(),
            }
            let own: Vec<_> = flat.iter().map(|(n, v)| (n.to_owned(), v.to_vec())).collect();
            prop_assert_eq!(&own, &list);
            prop_assert_eq!(flat.size(), list.iter().map(|(n, v)| n.len() + v.len()).sum::<usize>());
            for name in ["a", "B", "aB"] {
                let first = list.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
                prop_assert_eq!(flat.get(name), first.map(|(_, v)| v.as_slice()));
            }
        }
    }
}

#[test]
fn what_was_removed_is_gone_and_may_come_back() {
    let mut fields = Fields::new();
    for number in 0..200 {
        fields.append(&format!("X-Name-{number}"), "v").unwrap();
    }
    for number in 0..200 {
        assert_eq!(fields.get(&format!("x-name-{number}")), Some(&b"v"[..]));
        assert!(fields.remove(&format!("x-NAME-{number}")));
        assert!(!fields.contains(&format!("x-name-{number}")));
    }
    assert!(fields.is_empty() && !fields.remove("x-name-1"));
    fields.set("x-name-1", "w").unwrap();
    fields.set("X-Name-1", "x").unwrap();
    assert_eq!(fields.get_all("x-name-1").collect::<Vec<_>>(), [b"x"]);
    let mut copy = Fields::new();
    copy.clone_from(&fields);
    assert!(copy.contains("x-name-1"));
}

#[test]
fn a_known_field_replaces_all_of_its_name_as_any_other_does() {
    let known = Known::new("X-One", " 1 ").unwrap();
    let mut list = fields(&[("x-one", "0"), ("a", "2"), ("X-ONE", "3")]);
    list.put(&known).unwrap();
    assert_eq!(list, fields(&[("a", "2"), ("x-one", "1")]));
    assert_eq!(known.value(), b"1");
    assert_eq!(Known::new("x-one", "1\r\n2"), Err(BadField::Value));
    assert_eq!(Known::new("x one", "1"), Err(BadField::Name));
}

#[test]
fn names_are_dropped_together_and_no_others() {
    const SOME: Names = Names::new(&["x-one", "x-two"]);
    let mut list = fields(&[("X-One", "1"), ("a", "2"), ("x-two", "3"), ("x-one", "4")]);
    assert!(list.may_have_one_of(&SOME));
    list.remove_all(&SOME);
    assert_eq!(list, fields(&[("a", "2")]));
    assert!(!list.may_have_one_of(&SOME) && list.contains("a"));
}

#[test]
fn a_name_of_our_own_is_set_as_any_other() {
    const ONE: Name = Name::new("x-one");
    let mut list = fields(&[("a", "2")]);
    list.set_named(ONE, " 1 ").unwrap();
    assert_eq!(list, fields(&[("a", "2"), ("x-one", "1")]));
    list.set_named(ONE, "3").unwrap();
    assert_eq!(list, fields(&[("a", "2"), ("x-one", "3")]));
    assert_eq!(list.set_named(ONE, "4\r\n"), Err(BadField::Value));
    assert_eq!(Fields::new().set_named(ONE, "\0"), Err(BadField::Value));
    assert_eq!(list.get_str(ONE.as_str()), Some("3"));
}

#[test]
fn what_most_messages_lack_is_told_from_what_most_have_without_a_look() {
    let usual = fields(
        &[
            "content-type",
            "content-length",
            "content-encoding",
            "user-agent",
            "te",
            "accept",
            "accept-encoding",
            "date",
            "server",
            "grpc-status",
            "grpc-accept-encoding",
            "x-request-id",
            "x-forwarded-proto",
            "x-forwarded-client-cert",
            "x-envoy-peer-metadata",
            "x-envoy-peer-metadata-id",
            "x-envoy-upstream-service-time",
        ]
        .map(|name| (name, "")),
    );
    for rare in [
        "connection",
        "keep-alive",
        "proxy-connection",
        "proxy-authenticate",
        "transfer-encoding",
        "upgrade",
        "http2-settings",
        "expect",
        "x-envoy-decorator-operation",
        "x-envoy-attempt-count",
        "x-envoy-ratelimited",
        "grpc-timeout",
    ] {
        assert!(!usual.may_have(rare), "{rare}");
    }
}
