use serde_json::json;

use super::*;

#[track_caller]
fn check(text: &str, expected: &[(usize, usize)]) {
    let found: Vec<(usize, usize)> = split(text)
        .iter()
        .map(|document| (document.number, document.line))
        .collect();
    assert_eq!(found, expected, "{text:?}");
}

#[test]
fn documents_are_counted_and_found() {
    check("", &[]);
    check("# nothing\n---\n---\n\n", &[]);
    check("a: 1\n", &[(1, 1)]);
    check("---\na: 1\n---\nb: 2\n", &[(1, 2), (2, 4)]);
    check(
        "# licence\n---\n\n# one\na: 1\n---\r\nb: 2",
        &[(1, 5), (2, 7)],
    );
    check("--- {a: 1}\n--- # two\nb: 2\n", &[(1, 1), (2, 3)]);
    check("a: |\n  ---\n  text\n----\n", &[(1, 1)]);
    check("{\"a\": 1}", &[(1, 1)]);
    check("\u{feff}a: 1", &[(1, 1)]);
}

#[track_caller]
fn parses(text: &str, expected: Value) {
    let documents = split(text);
    assert_eq!(parse(&documents[0]), Ok(expected), "{text:?}");
}

#[test]
fn scalars_mean_what_they_mean_to_kubernetes() {
    parses("a: yes", json!({"a": true}));
    parses("a: \"yes\"", json!({"a": "yes"}));
    parses("a: 0644", json!({"a": 420}));
    parses("a: 5s", json!({"a": "5s"}));
    parses("a: ~", json!({"a": null}));
}

#[test]
fn a_problem_names_the_line_of_the_file() {
    let text = "a: 1\n---\nb:\n  c: [1, 2\n";
    let documents = split(text);
    let problem = parse(&documents[1]).unwrap_err();
    assert!(problem.line >= 4, "{problem:?}");
    assert!(!problem.message.contains("line"), "{problem:?}");
}

#[test]
fn a_key_given_twice_is_refused() {
    let documents = split("a: 1\nb: 2\na: 3\n");
    let problem = parse(&documents[0]).unwrap_err();
    assert_eq!(problem.line, 3, "{problem:?}");
}

#[test]
fn bombs_are_refused() {
    let deep = "[".repeat(1_000);
    assert!(parse(&split(&deep)[0]).is_err());
    let mut bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (name, of) in ["b", "c", "d", "e", "f", "g", "h", "i"]
        .iter()
        .zip("abcdefgh".chars())
    {
        let refs = vec![format!("*{of}"); 9].join(", ");
        bomb.push_str(&format!("{name}: &{name} [{refs}]\n"));
    }
    assert!(parse(&split(&bomb)[0]).is_err());
}

#[test]
fn what_is_wrong_is_said_in_words_of_the_text() {
    let check = |text: &str, expected: &str| {
        let problem = parse(&split(text)[0]).unwrap_err();
        assert_eq!(problem.message, expected, "{text:?}");
    };
    check(
        "a: {b: 1, b: 2}",
        "the key \"b\" is there twice in one mapping",
    );
    for number in [".nan", "1e999", "-.inf"] {
        let expected = format!("{number} is no number that can be used; write text in quotes");
        check(&format!("a: {number}"), &expected);
    }
    let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
    check(&deep, "nested more than 64 levels deep");
    check(
        "a: *foo",
        "an alias (*name) has no anchor (&name) before it; write text in quotes",
    );
    check(
        "? {a: 1}\n: 2",
        "a mapping or list stands where a key should be",
    );
    check("a: !!binary 5", "!!binary: this is no text in base64");
}
