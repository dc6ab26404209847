//! Manifests in, injected manifests out: each folder of `goldens/` is a case.
//!
//! `in.yaml` is what a user could write, `settings.yaml` (if it is there) what the mesh was installed
//! with. `out.yaml` is what it must become and `said.txt` what the user reads; `UPDATE=1` rewrites
//! both. Whatever the case, a second injection changes nothing and an uninjection gives back what
//! was there.

#![expect(
    clippy::unwrap_used,
    reason = "a test that says what is wrong by failing"
)]

use std::path::{Path, PathBuf};

use mesh_inject::{Outcome, Report, Rewritten, Settings, Source, inject_stream, uninject_stream};
use serde_json::Value;

#[test]
fn manifests_become_what_the_goldens_say() {
    let update = mesh_runtime::settings::environment("UPDATE").is_some();
    let mut wrong = Vec::new();
    for case in cases() {
        let made = inject(&read(&case, "in.yaml"), &settings(&case));
        for (file, made) in [("out.yaml", &made.text), ("said.txt", &said(&made))] {
            if update {
                std::fs::write(case.join(file), made).unwrap();
            } else if *made != read(&case, file) {
                let path = case.join(file);
                let wanted = read(&case, file);
                wrong.push(format!(
                    "{}:\n{}",
                    path.display(),
                    difference(&wanted, made)
                ));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{}\nUPDATE=1 rewrites the files when the change is meant",
        wrong.join("\n")
    );
}

#[test]
fn a_second_injection_changes_no_byte() {
    for case in cases() {
        let once = inject(&read(&case, "in.yaml"), &settings(&case)).text;
        let twice = inject(&once, &settings(&case)).text;
        assert_eq!(once, twice, "{}", case.display());
    }
}

#[test]
fn an_uninjection_gives_back_what_was_there() {
    for case in cases() {
        let text = read(&case, "in.yaml");
        let source = |text| Source {
            name: "in.yaml",
            text,
            namespace: "default",
        };
        let was = uninject_stream(&source(&text)).text;
        let made = inject(&text, &settings(&case)).text;
        let undone = uninject_stream(&source(&made)).text;
        assert_eq!(values(&undone), values(&was), "{}", case.display());
    }
}

fn inject(text: &str, settings: &Settings) -> Rewritten {
    let source = Source {
        name: "in.yaml",
        text,
        namespace: "default",
    };
    inject_stream(&source, settings)
}

fn said(made: &Rewritten) -> String {
    let mut said = String::new();
    for report in &made.reports {
        said.push_str(&format!("{}: {}\n", report.at, outcome(report)));
        for finding in &report.findings {
            said.push_str(&format!(
                "  {:?} {} {finding}\n",
                finding.severity, finding.code
            ));
        }
    }
    for finding in &made.unreadable {
        said.push_str(&format!("{finding}\n"));
    }
    said
}

fn outcome(report: &Report) -> String {
    match &report.outcome {
        Outcome::Skipped(why) => format!("skipped: {why}"),
        Outcome::Removed(why) => format!("removed: {why}"),
        other => format!("{other:?}").to_lowercase(),
    }
}

fn settings(case: &Path) -> Settings {
    let text = read(case, "settings.yaml");
    let mut settings = Settings::from_yaml(&text).unwrap();
    if !text.contains("image:") {
        // The version of a release is no change of a golden.
        settings.proxy.image = "mesh/mesh-proxy:test".to_owned();
    }
    settings
}

fn cases() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens");
    let entries = std::fs::read_dir(root).unwrap();
    let mut cases: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    cases
}

fn read(case: &Path, file: &str) -> String {
    std::fs::read_to_string(case.join(file)).unwrap_or_default()
}

fn values(text: &str) -> Vec<Value> {
    use mesh_api::decode::documents;
    let documents = documents::split(text);
    let parse = |document| documents::parse(document).unwrap();
    documents.iter().map(parse).collect()
}

/// The first line that differs, with what is round it.
fn difference(wanted: &str, made: &str) -> String {
    let pairs = wanted.lines().zip(made.lines());
    let at = pairs.take_while(|(w, m)| w == m).count();
    let show = |text: &str| {
        let lines = text.lines().skip(at.saturating_sub(2)).take(6);
        lines
            .map(|line| format!("    {line}\n"))
            .collect::<String>()
    };
    let (wanted, made) = (show(wanted), show(made));
    format!("  line {}, wanted\n{wanted}  but made\n{made}", at + 1)
}
