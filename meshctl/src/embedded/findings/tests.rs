use mesh_api::{ResourceSet, decode};

use super::*;

const RULES: &str = "\
# two rules
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: good}
spec: {hosts: [good]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: bad}
spec:
  hosts: [bad]
  http:
  - timeout: soon
    route: [{destination: {host: bad}}]
";

#[test]
fn an_error_names_the_line_of_its_field() {
    let (objects, _) = decode::objects("rules.yaml", RULES);
    let (_, found) = ResourceSet::build(objects);
    let of_field = |found: &[Diagnostic], texts: &Texts| -> Vec<String> {
        let (errors, _) = texts.lines(found);
        let about = errors.into_iter().filter(|line| line.contains("timeout"));
        about.collect()
    };
    let mut texts = Texts::default();
    let start = "rules.yaml document 2 line 7: virtualservice default/bad: spec.http[0].timeout: ";
    let lines = of_field(&found, &texts);
    assert!(lines.len() == 1 && lines[0].starts_with(start), "{lines:?}");
    texts.add("rules.yaml", RULES.to_owned());
    let start = "rules.yaml document 2 line 13: virtualservice default/bad: spec.http[0].timeout: ";
    let lines = of_field(&found, &texts);
    assert!(lines.len() == 1 && lines[0].starts_with(start), "{lines:?}");
}

#[test]
fn what_cannot_be_read_keeps_the_line_that_the_parser_gave() {
    let text = "a: 1\n---\nb: [\n";
    let (_, found) = decode::objects("x.yaml", text);
    let mut texts = Texts::default();
    let before: Vec<String> = found.iter().map(line).collect();
    texts.add("x.yaml", text.to_owned());
    let after: Vec<String> = found.iter().map(|one| texts.line(one)).collect();
    assert_eq!(before, after);
}
