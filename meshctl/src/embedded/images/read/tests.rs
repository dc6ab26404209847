use mesh_api::decode;

use super::*;

const HEAD: &str = "apiVersion: mesh/v1\nkind: LocalApplication\nmetadata: {name: a}\n";

fn read_text(rest: &str) -> Result<LocalApplication, Vec<String>> {
    let (objects, found) = decode::objects("local.yaml", &format!("{HEAD}{rest}"));
    assert!(found.is_empty(), "{found:?}");
    let told = |found: Vec<Diagnostic>| found.iter().map(ToString::to_string).collect();
    read(&objects[0]).map_err(told)
}

#[track_caller]
fn check(rest: &str, expected: &[&str]) {
    let got = read_text(rest).unwrap_err();
    let start = "localapplication default/a: ";
    let expected: Vec<String> = expected
        .iter()
        .map(|text| format!("{start}{text}"))
        .collect();
    assert_eq!(got, expected, "{rest}");
}

#[test]
fn every_field_is_read() {
    let text = "
spec:
  resources: [a.yaml, b]
  images:
  - {match: '*/web:*', command: [web, -v], args: ['${port}'], env: {A: b}}
  - {match: '*', command: [any]}
  open: [/]
  tryNext: [meshctl status]
";
    let any = ImageRule {
        pattern: "*".to_owned(),
        command: vec!["any".to_owned()],
        ..ImageRule::default()
    };
    let web = ImageRule {
        pattern: "*/web:*".to_owned(),
        command: vec!["web".to_owned(), "-v".to_owned()],
        args: vec!["${port}".to_owned()],
        env: BTreeMap::from([("A".to_owned(), "b".to_owned())]),
    };
    let expected = LocalApplication {
        resources: vec!["a.yaml".into(), "b".into()],
        images: vec![web, any],
        open: vec!["/".to_owned()],
        try_next: vec!["meshctl status".to_owned()],
    };
    assert_eq!(read_text(text), Ok(expected));
    for empty in ["", "spec:\n", "spec: {images: }\n"] {
        assert_eq!(read_text(empty), Ok(LocalApplication::default()), "{empty}");
    }
}

#[test]
fn all_that_is_wrong_is_told_at_once_with_its_field() {
    check(
        "spce: {}\nspec: {image: [], open: /, resources: [1]}\n",
        &[
            "spce: unknown field; did you mean \"spec\"?",
            "spec.image: unknown field; did you mean \"images\"?",
            "spec.resources[0]: expected text, found the number 1; write it in quotes",
            "spec.open: expected a list, found \"/\"",
        ],
    );
    check(
        "spec: {images: [{match: a, comand: [x]}, {command: [x]}, x]}\n",
        &[
            "spec.images[0].comand: unknown field; did you mean \"command\"?",
            "spec.images[0].command: names no program",
            "spec.images[1]: has no field match; match: \"*\" is any image",
            "spec.images[2]: expected a map, found \"x\"",
        ],
    );
    check(
        "spec: {images: [{match: a, command: [x], env: {PORT: 1, A: [b]}}]}\n",
        &[
            "spec.images[0].env.A: expected text, found a list",
            "spec.images[0].env.PORT: expected text, found the number 1; write it in quotes",
        ],
    );
}
