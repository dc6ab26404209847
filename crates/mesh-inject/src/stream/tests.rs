use super::*;

const DEPLOYMENT: &str = "apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  template:
    spec:
      containers:
      - name: web
        image: web # the newest
";

fn source(text: &str) -> Source<'_> {
    Source {
        name: "web.yaml",
        text,
        namespace: "default",
    }
}

fn inject(text: &str) -> Rewritten {
    inject_stream(&source(text), &Settings::default())
}

#[test]
fn a_stream_without_workloads_is_the_same_byte_for_byte() {
    for text in [
        "",
        "\n---\n# nothing\n---\n---\n",
        "\u{feff}apiVersion: v1\r\nkind: Service # x\r\nmetadata: {name:   x}",
        "{\"apiVersion\": \"v1\", \"kind\":\"ConfigMap\"}",
        "%YAML 1.2\n---\nkind: Job\napiVersion: batch.volcano.sh/v1\n...\n---\nkind: List\napiVersion: v1\n",
        "just text\n---\n- 1\n",
    ] {
        let made = inject(text);
        assert_eq!(made.text, text);
        assert_eq!((made.reports, made.unreadable), (Vec::new(), Vec::new()));
    }
}

#[test]
fn what_stands_round_a_workload_is_the_same_byte_for_byte() {
    let (before, after) = (
        "# licence\n---\nkind:   Service\napiVersion: 'v1'\n---\n# none\n--- # next\n",
        "# of web\n---\n# end\n---\nkind: X # last\n",
    );
    let made = inject(&format!("{before}{DEPLOYMENT}{after}"));
    assert_eq!(made.reports.len(), 1);
    assert!(made.text.starts_with(before), "{}", made.text);
    assert!(made.text.ends_with(after), "{}", made.text);
    assert!(made.text.contains("        image: web # the newest\n"));
}

#[test]
fn an_uninjection_gives_block_style_back_byte_for_byte() {
    let made = inject(DEPLOYMENT);
    assert_ne!(made.text, DEPLOYMENT);
    let undone = uninject_stream(&source(&made.text));
    assert_eq!(undone.text, DEPLOYMENT);
    let again = uninject_stream(&source(DEPLOYMENT));
    assert_eq!(again.text, DEPLOYMENT);
}

#[test]
fn a_document_that_cannot_be_read_is_named_and_hides_no_other() {
    let made = inject(&format!("{DEPLOYMENT}---\na: [\n---\n{DEPLOYMENT}"));
    assert_eq!(made.reports.len(), 2);
    let said: Vec<String> = made.errors().map(ToString::to_string).collect();
    assert_eq!(said.len(), 1);
    assert!(said[0].starts_with("web.yaml document 2 line "), "{said:?}");
}

#[test]
fn lists_within_lists_are_looked_into() {
    let text = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: List\n  items:\n  - apiVersion: v1\n    kind: Pod\n    metadata: {name: deep}\n    spec:\n      containers:\n      - name: a\n- {kind: Service, apiVersion: v1}\n";
    let made = inject(text);
    assert_eq!(made.reports.len(), 1);
    assert!(made.text.ends_with("- {kind: Service, apiVersion: v1}\n"));
    assert_eq!(inject(&made.text).text, made.text);
}
