use proptest::prelude::*;
use serde_json::{Map, json};

use super::*;

/// Rewrites a text with a change to its value.
#[track_caller]
fn check(text: &str, change: fn(&mut Value), expected: &str) {
    let documents = documents::split(text);
    let [document] = documents.as_slice() else {
        panic!("one document: {text:?}");
    };
    let old = documents::parse(document).unwrap();
    let mut new = old.clone();
    change(&mut new);
    let made = rewrite(document, &old, &new);
    assert_eq!(made, expected, "\n--- made\n{made}\n--- wanted\n{expected}");
    assert!(says(&made, &new), "{made}");
}

#[test]
fn what_is_new_stands_at_the_end_of_its_map_and_nothing_else_moves() {
    check(
        "# head\n\na:  1   # one\nm:\n    # in\n    x: 'q'   # two\n\n# before z\nz: [1,  2]\n# tail\n",
        |value| value["m"]["new"] = json!({"deep": ["er"]}),
        "# head\n\na:  1   # one\nm:\n    # in\n    x: 'q'   # two\n    new:\n      deep:\n      - er\n\n# before z\nz: [1,  2]\n# tail\n",
    );
}

#[test]
fn items_come_and_go_where_they_stand() {
    check(
        "l:\n  # first\n  - name: a\n    v: 1 # kept\n  # second\n  - name: b\n",
        |value| {
            let list = value["l"].as_array_mut().unwrap();
            list.remove(1);
            list[0]["w"] = json!(2);
            list.insert(0, json!({"name": "z", "o": {}}));
        },
        "l:\n  - name: z\n    o: {}\n  # first\n  - name: a\n    v: 1 # kept\n    w: 2\n",
    );
}

#[test]
fn flow_style_is_written_anew_with_its_comments_above() {
    check(
        "a: 1\nm: {x: 1, # one\n  y: 2} # two\nz: 1\n",
        |value| value["m"]["n"] = json!("o"),
        "a: 1\n# one\n# two\nm:\n  \"n\": o\n  x: 1\n  \"y\": 2\nz: 1\n",
    );
}

#[test]
fn the_first_member_of_an_item_keeps_its_dash() {
    check(
        "l:\n- x: 1\n  name: a\n- x: 1\n  name: b\n",
        |value| {
            value["l"][0]["x"] = json!(2);
            value["l"][1].as_object_mut().unwrap().remove("x");
        },
        "l:\n- x: 2\n  name: a\n- name: b\n",
    );
}

#[test]
fn texts_of_several_lines_are_not_taken_for_comments() {
    check(
        "s: |\n  # one\n\n  # two\nd: \"x\n  # y\"\nz: 1\n",
        |value| value["z"] = json!(2),
        "s: |\n  # one\n\n  # two\nd: \"x\n  # y\"\nz: 2\n",
    );
}

#[test]
fn what_was_null_or_empty_is_filled() {
    check(
        "m: # nothing yet\nl: []\nz: 1\n",
        |value| {
            value["m"] = json!({"a": 1});
            value["l"] = json!(["x"]);
        },
        "# nothing yet\nm:\n  a: 1\nl:\n- x\nz: 1\n",
    );
}

#[test]
fn an_alias_is_written_out() {
    check(
        "--- # doc\n# head\na: &a {x: 1}\nb: *a\n",
        |value| value["b"]["y2"] = json!(2),
        "---\na:\n  x: 1\nb:\n  x: 1\n  y2: 2\n",
    );
}

#[test]
fn a_text_without_an_end_of_line_gets_one_before_what_is_new() {
    check(
        "a: 1\nm:\n  x: 1",
        |value| value["m"]["w"] = json!(2),
        "a: 1\nm:\n  x: 1\n  w: 2\n",
    );
}

#[test]
fn lines_of_windows_stay() {
    check(
        "a: 1\r\nm:\r\n  x: 1\r\nz: 1\r\n",
        |value| value["m"]["w"] = json!(2),
        "a: 1\r\nm:\r\n  x: 1\r\n  w: 2\nz: 1\r\n",
    );
}

#[test]
fn json_stays_json() {
    check(
        "{\"a\": 1}\n",
        |value| value["b"] = json!(2),
        "{\n  \"a\": 1,\n  \"b\": 2\n}\n",
    );
}

#[test]
fn an_outline_has_what_was_there_and_a_word_for_what_is_new() {
    let old = json!({"l": [{"name": "a", "v": 1}, {"name": "b"}], "k": {"x": 1}});
    let new =
        json!({"l": [{"name": "new", "v": [1]}, {"name": "a", "v": 2}], "k": {"x": 1, "y": {}}});
    let word = "added by mesh-inject";
    let expected = json!({"l": [word, {"name": "a", "v": 2}], "k": {"x": 1, "y": word}});
    assert_eq!(outline(&old, &new), expected);
}

#[test]
fn words_that_are_something_else_to_some_reader_are_quoted() {
    let mut out = String::new();
    let words = json!([
        "yes", "n", "1e3", "0755", "a: b", "-", "*", "", " x", "x #y", "100m", "-p", "--a=b", "~",
        "@x"
    ]);
    write::block(&mut out, &words, 0);
    let expected = "- \"yes\"\n- \"n\"\n- \"1e3\"\n- \"0755\"\n- \"a: b\"\n- \"-\"\n- \"*\"\n- \"\"\n- \" x\"\n- \"x #y\"\n- 100m\n- -p\n- --a=b\n- \"~\"\n- \"@x\"\n";
    assert_eq!(out, expected);
}

fn values() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        "[ -~]{0,12}",
        "[a-z:#\n '\"\\\\|>-]{0,12}",
        "\\PC{0,4}",
        "(yes|null|0x1f|1_000|12:30|2001-01-01|<<|=|\\.inf|\u{85}|\u{2028}x|\u{feff})",
    ];
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        text.clone().prop_map(Value::from),
    ];
    let leaf = leaf.prop_recursive(4, 32, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,3}|y|\"|[ -~]{1,6}", inner, 0..4)
                .prop_map(|members| members.into_iter().collect::<Map<_, _>>().into()),
        ]
    });
    prop::collection::btree_map("(metadata|spec|m|n)", leaf, 1..4)
        .prop_map(|members| members.into_iter().collect::<Map<_, _>>().into())
}

proptest! {
    #[test]
    fn what_is_written_says_what_was_meant(value in values()) {
        let mut text = String::new();
        write::block(&mut text, &value, 0);
        prop_assert!(says(&text, &value), "{}", text);
    }

    #[test]
    fn an_edited_text_says_the_new_value_without_being_written_anew(old in values(), new in values()) {
        let mut text = String::new();
        write::block(&mut text, &old, 0);
        let documents = documents::split(&text);
        let [document] = documents.as_slice() else { panic!("{text}") };
        if let Some(root) = node::read(document)
            && let Some(edited) = edit::edit(&text, &root, &old, &new)
        {
            prop_assert!(says(&edited, &new), "{}\n=>\n{}", text, edited);
        }
    }
}
