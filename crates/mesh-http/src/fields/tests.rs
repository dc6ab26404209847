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
    list.append("a", "kept").unwrap();
    assert!(list.set("a", "x\n").is_err());
    assert_eq!(list.get_str("a"), Some("kept"));
}
