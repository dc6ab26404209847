use super::*;
use crate::matching::text::Rule;
use crate::testing::call;

fn wants(name: &str, value: &str, invert: bool) -> CookieMatch {
    CookieMatch {
        name: name.into(),
        text: TextMatch {
            rule: Rule::Exact(value.into()),
            ignore_case: false,
        },
        invert,
    }
}

#[test]
fn the_first_cookie_of_a_name_counts() {
    let head = call("GET http://a/\ncookie: aa=x; b=\"2\"; c=\ncookie: a=1;a=3");
    for (name, value) in [("aa", "x"), ("b", "2"), ("c", ""), ("a", "1")] {
        assert!(wants(name, value, false).matches(&head), "{name}");
        assert!(!wants(name, value, true).matches(&head), "{name}");
    }
    assert!(!wants("a", "3", false).matches(&head));
}

#[test]
fn a_cookie_that_is_not_there_is_unlike_anything() {
    let head = call("GET http://a/\ncookie: b=1");
    assert!(!wants("a", "1", false).matches(&head));
    assert!(wants("a", "1", true).matches(&head));
}
