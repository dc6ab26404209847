use super::*;

#[track_caller]
fn check(rule: Rule, text: &str, expect: bool) {
    let matcher = TextMatch {
        rule: rule.clone(),
        ignore_case: false,
    };
    assert_eq!(
        matcher.matches(text.as_bytes()),
        expect,
        "{rule:?} {text:?}"
    );
}

#[test]
fn texts_are_compared_as_the_rule_says() {
    check(Rule::Exact("abc".into()), "abc", true);
    check(Rule::Exact("abc".into()), "abcd", false);
    check(Rule::Prefix("ab".into()), "abcd", true);
    check(Rule::Prefix("ab".into()), "a", false);
    check(Rule::Suffix("cd".into()), "abcd", true);
    check(Rule::Suffix("cd".into()), "d", false);
    check(Rule::Contains("bc".into()), "abcd", true);
    check(Rule::Contains(String::new().into()), "", true);
    check(Rule::Contains("x".into()), "abcd", false);
}

#[test]
fn case_is_ignored_only_on_demand() {
    let matcher = |ignore_case| TextMatch {
        rule: Rule::Prefix("Ab".into()),
        ignore_case,
    };
    assert!(matcher(true).matches(b"aBc"));
    assert!(!matcher(false).matches(b"aBc"));
}

#[test]
fn a_pattern_matches_the_whole_text() {
    let whole =
        |pattern: &str, text: &str| Pattern::whole(pattern).unwrap().is_match(text.as_bytes());
    assert!(whole("a|ab", "ab"));
    assert!(!whole("a", "ab"));
    assert!(whole("^(.*?;)?(user=jason)(;.*)?$", "x=1;user=jason;y=2"));
    assert!(!whole(r"\w+", "é"));
    assert!(whole(r"\p{L}+", "é"));
}

#[test]
fn a_pattern_cannot_leave_its_frame_or_grow_without_bound() {
    assert!(Pattern::whole("a)|(b").is_err());
    assert!(Pattern::whole("(?:a{1000}){1000}").is_err());
    assert!(Pattern::whole(&"a".repeat(MAX_PATTERN + 1)).is_err());
    assert!(Pattern::whole("(").unwrap_err().contains("unclosed group"));
}
