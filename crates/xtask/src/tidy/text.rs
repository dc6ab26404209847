//! Rules that are read off the text of the sources and the shape of the tree.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// A file longer than this needs a second half with a name of its own.
const LONGEST_FILE: usize = 700;

/// A rule: in files that `applies` to, no line outside a comment holds one of `words`.
struct Rule {
    why: &'static str,
    applies: fn(&str) -> bool,
    words: &'static [&'static str],
}

const RULES: [Rule; 10] = [
    Rule {
        why: "the data path has codecs of its own: hyper appears in mesh-proxy only in tests",
        applies: |file| file.starts_with("mesh-proxy/src/") && !is_test(file),
        words: &[
            " hyper::",
            "(hyper::",
            "<hyper::",
            "&hyper::",
            "hyper_util::",
            "http_body_util::",
        ],
    },
    Rule {
        why: "decisions are pure: no runtime, files, environment, clock or chance",
        applies: |file| is_pure(file) && !is_test(file),
        words: &[
            "tokio::",
            "std::env",
            "std::fs",
            "SystemTime::now",
            "Instant::now",
            "fastrand",
            "SystemClock",
            "info!(",
            "warn!(",
            "error!(",
        ],
    },
    Rule {
        why: "tasks are started by mesh_runtime::Tasks",
        applies: |file| {
            !is_test(file)
                && file != "crates/mesh-runtime/src/tasks.rs"
                && !file.starts_with("samples/")
        },
        words: &[
            "tokio::spawn(",
            "task::spawn(",
            "task::spawn_local(",
            "unbounded_channel(",
        ],
    },
    Rule {
        why: "only mesh_runtime::settings reads the environment",
        applies: |file| {
            file != "crates/mesh-runtime/src/settings.rs" && !is_test(file) && !is_tool(file)
        },
        words: &["env::var(", "env::var_os(", "env::vars("],
    },
    Rule {
        why: "types of the model are nobody's wire format",
        applies: |file| {
            file.starts_with("crates/mesh-model/") || file.starts_with("crates/mesh-traffic/")
        },
        words: &["Serialize", "Deserialize"],
    },
    Rule {
        why: "a test waits on an event, never on time",
        applies: |file| {
            is_test(file) && !file.starts_with("crates/mesh-test/") && !is_measure(file)
        },
        words: &["time::sleep(", "thread::sleep("],
    },
    Rule {
        why: "no test is ignored",
        applies: |_| true,
        words: &["#[ignore"],
    },
    Rule {
        why: "no clippy lint is allowed without a trace: use expect with a reason",
        applies: |file| !file.starts_with("crates/mesh-proto/"),
        words: &["#[allow(", "#![allow("],
    },
    Rule {
        why: "nothing unfinished lands",
        applies: |_| true,
        words: &["todo!(", "unimplemented!(", "FIXME", "XXX"],
    },
    Rule {
        why: "a TODO names an issue: TODO(#12)",
        applies: |_| true,
        words: &["TODO:", "TODO ", "// TODO\n"],
    },
];

/// Words that tell of the machine a change was written on.
const MACHINE: [&str; 3] = ["/work/", "/home/", "/root/"];

/// Documents that a newcomer is promised.
const DOCUMENTS: [&str; 19] = [
    "README.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "docs/ARCHITECTURE.md",
    "docs/STYLE.md",
    "docs/TENETS.md",
    "docs/capture.md",
    "docs/cli.md",
    "docs/glossary.md",
    "docs/graph.md",
    "docs/injection.md",
    "docs/install.md",
    "docs/life-of-a-certificate.md",
    "docs/life-of-a-config-change.md",
    "docs/life-of-a-request.md",
    "docs/local-mesh.md",
    "docs/settings.md",
    "docs/telemetry.md",
    "docs/testing.md",
];

/// Checks every tracked text file.
pub(crate) fn check(root: &Path) -> Result<Vec<String>> {
    let mut findings: Vec<String> = DOCUMENTS
        .iter()
        .filter(|document| !root.join(document).is_file())
        .map(|document| format!("{document}: is missing"))
        .collect();
    for file in tracked(root)? {
        let Ok(text) = std::fs::read_to_string(root.join(&file)) else {
            continue;
        };
        let name = file.to_string_lossy().into_owned();
        if name != "crates/xtask/src/tidy/text.rs" {
            findings.extend(check_machine(&name, &text));
            if name.ends_with(".rs") {
                findings.extend(check_source(&name, &text));
            }
        }
    }
    Ok(findings)
}

fn check_source(name: &str, text: &str) -> Vec<String> {
    let mut findings = Vec::new();
    if name.ends_with("/mod.rs") {
        findings.push(format!("{name}: modules are foo.rs beside foo/"));
    }
    let lines = text.lines().count();
    if lines > LONGEST_FILE {
        findings.push(format!(
            "{name}: {lines} lines; find the name of its second half"
        ));
    }
    if !text.starts_with("//!") && !is_test(name) && !name.ends_with("/main.rs") {
        findings.push(format!("{name}: opens without saying what it is for (//!)"));
    }
    for (number, line) in text.lines().enumerate() {
        let code = line.trim_start();
        let comment = code.starts_with("//");
        for rule in &RULES {
            let about_comments = rule.why.contains("TODO") || rule.why.contains("unfinished");
            let hit = rule.words.iter().find(|word| line.contains(**word));
            if let (true, Some(word)) = ((!comment || about_comments) && (rule.applies)(name), hit)
            {
                findings.push(format!("{name}:{}: {word:?}: {}", number + 1, rule.why));
            }
        }
    }
    findings
}

fn check_machine(name: &str, text: &str) -> Vec<String> {
    let lines = text.lines().enumerate();
    lines
        .filter_map(|(number, line)| {
            MACHINE
                .iter()
                .find(|w| line.contains(**w))
                .map(|w| (number, w))
        })
        .map(|(number, word)| format!("{name}:{}: {word:?} is a path of some machine", number + 1))
        .collect()
}

/// Whether a file belongs to tests: their own files, not the code beside them.
fn is_test(file: &str) -> bool {
    file.starts_with("tests/")
        || file.starts_with("crates/mesh-test/")
        || file.contains("/tests/")
        || file.ends_with("/tests.rs")
        || file.contains("/benches/")
}

/// What measures is no test: a rate, or quiet, is made of time.
fn is_measure(file: &str) -> bool {
    file.starts_with("tests/kube/journeys/measures")
}

fn is_tool(file: &str) -> bool {
    file.starts_with("crates/xtask/") || file.starts_with("samples/") || file.ends_with("/build.rs")
}

fn is_pure(file: &str) -> bool {
    const PLACES: [&str; 23] = [
        "crates/mesh-model/src/",
        "crates/mesh-http/src/",
        "crates/mesh-pki/src/",
        "crates/mesh-api/src/",
        "crates/mesh-inject/src/",
        "crates/mesh-traffic/src/",
        "mesh-pilot/src/registry/",
        "mesh-pilot/src/snapshot/",
        "mesh-pilot/src/translate/",
        "mesh-pilot/src/translate.rs",
        "mesh-pilot/src/push/what_changed.rs",
        "mesh-proxy/src/capture/family",
        "mesh-proxy/src/capture/options",
        "mesh-proxy/src/capture/plan",
        "mesh-proxy/src/capture/render",
        "mesh-proxy/src/capture/state",
        "mesh-proxy/src/capture/summary",
        "mesh-citadel/src/issue/",
        "mesh-citadel/src/authorize.rs",
        "mesh-mixer/src/graph.rs",
        "meshctl/src/embedded/plan.rs",
        "crates/mesh-xds/src/server/stream.rs",
        "crates/mesh-xds/src/client/stream.rs",
    ];
    PLACES.iter().any(|place| file.starts_with(place))
}

fn tracked(root: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .context("git ls-files")?;
    ensure!(
        output.status.success(),
        "git ls-files: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(PathBuf::from)
        .collect())
}
