use super::{ImageRule, Rule, find, matches};

#[track_caller]
fn check(pattern: &str, text: &str, expected: bool) {
    assert_eq!(matches(pattern, text), expected, "{pattern} against {text}");
}

#[test]
fn a_star_stands_for_any_text_and_a_question_mark_for_one_character() {
    check(
        "*/examples-bookinfo-reviews-v?:*",
        "docker.io/istio/examples-bookinfo-reviews-v2:1.20",
        true,
    );
    check(
        "*/examples-bookinfo-reviews-v?:*",
        "istio/examples-bookinfo-reviews-v10:1.20",
        false,
    );
    check("*", "", true);
    check("a*b*c", "a-b-b-c", true);
    check("a*b*c", "a-b-b-d", false);
    check("abc", "abcd", false);
    check("", "a", false);
}

#[test]
fn the_first_matching_rule_wins_and_no_tag_means_latest() {
    let rule = |pattern: &str| Rule {
        rule: ImageRule {
            pattern: pattern.to_owned(),
            ..ImageRule::default()
        },
        file: "local.yaml".to_owned(),
        index: 0,
        folder: ".".into(),
    };
    let rules = [rule("*/web:*"), rule("*"), rule("registry:5000/db:latest")];
    let found = |image: &str| find(&rules, image).map(|rule| rule.rule.pattern.clone());
    assert_eq!(found("registry:5000/web"), Some("*/web:*".to_owned()));
    assert_eq!(found("db"), Some("*".to_owned()));
    assert!(find(&rules[2..], "registry:5000/db").is_some());
}
