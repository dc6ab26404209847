//! Resources in, xDS out: each folder of `goldens/` is a case.
//!
//! `in.yaml` holds objects that a user or the supervisor could write; its lines
//! `# show KIND POD.NAMESPACE: PARTS` say whose configuration is compared and which parts of it
//! (listeners, routes, clusters, endpoints). `out.txt` is what it must be; `UPDATE=1` rewrites it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that says what is wrong by failing"
)]

#[path = "support/dump.rs"]
mod dump;
#[path = "support/world.rs"]
mod world;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use mesh_pilot::translate::translate;

#[test]
fn resources_become_the_xds_that_the_goldens_say() {
    let update = mesh_runtime::settings::environment("UPDATE").is_some();
    let mut wrong = Vec::new();
    for case in cases() {
        let made = run(&case);
        let golden = case.join("out.txt");
        if update {
            std::fs::write(&golden, &made).unwrap();
            continue;
        }
        let wanted = std::fs::read_to_string(&golden).unwrap_or_default();
        if made != wanted {
            wrong.push(format!(
                "{}:\n{}",
                golden.display(),
                difference(&wanted, &made)
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{}\nUPDATE=1 rewrites the files when the change is meant",
        wrong.join("\n")
    );
}

fn cases() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens");
    let entries = std::fs::read_dir(root).unwrap();
    let mut cases: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    cases
}

fn run(case: &Path) -> String {
    let text = std::fs::read_to_string(case.join("in.yaml")).unwrap();
    let world = world::of(&text);
    let mut out = String::new();
    for wanted in text.lines().filter_map(|line| line.strip_prefix("# show ")) {
        let (who, parts) = wanted.split_once(": ").unwrap();
        let view = world.view(&world::proxy(who)).unwrap();
        let parts: Vec<_> = parts.split_whitespace().collect();
        writeln!(out, "# {who}").unwrap();
        out.push_str(&dump::dump(&translate(&view), &parts));
    }
    for finding in &world.diagnostics {
        writeln!(out, "# said: {finding}").unwrap();
    }
    out
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
    format!(
        "  line {}, wanted\n{}  but made\n{}",
        at + 1,
        show(wanted),
        show(made)
    )
}
