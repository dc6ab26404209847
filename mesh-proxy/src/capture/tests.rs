//! Command lines in, rules out: each file of `goldens/` is a command and what it prints.
//!
//! `UPDATE=1` rewrites what they print.

use std::path::{Path, PathBuf};

use clap::Parser;

use super::family::Ipv6;
use super::flags::CaptureFlags;
use super::options::Options;

const PROMPT: &str = "$ mesh-proxy ";

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/capture/goldens");
    let entries = std::fs::read_dir(folder).unwrap();
    let mut cases: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    cases
}

/// The command, and what it prints.
fn run(text: &str) -> String {
    let command = text.lines().next().unwrap();
    let words = command.strip_prefix(PROMPT).unwrap().split(' ');
    // What a shell makes of quotes.
    let words = words.map(|word| word.trim_matches('\''));
    let flags = CaptureFlags::try_parse_from(words).unwrap();
    assert!(flags.dry_run, "{command}");
    let options = Options::try_from(&flags).unwrap();
    format!(
        "{command}\n{}",
        super::dry_run(&flags, &options, Ipv6::Global)
    )
}

#[test]
fn options_become_the_rules_that_the_goldens_say() {
    let update = mesh_runtime::settings::environment("UPDATE").is_some();
    let cases = cases();
    assert!(!cases.is_empty());
    for case in cases {
        let wanted = std::fs::read_to_string(&case).unwrap();
        let made = run(&wanted);
        if update {
            std::fs::write(&case, &made).unwrap();
        } else {
            let name = case.display();
            assert_eq!(
                made, wanted,
                "{name}: UPDATE=1 rewrites it when the change is meant"
            );
        }
    }
}
