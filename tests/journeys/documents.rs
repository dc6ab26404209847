//! Documents that list what programs understand are compared with the programs.

use std::path::PathBuf;
use std::process::Command;

use mesh_runtime::settings::environment;
use mesh_tests::mesh::{binary, samples};

const PROGRAMS: [&str; 4] = ["mesh-citadel", "mesh-pilot", "mesh-mixer", "mesh-proxy"];

/// One flag as `--help` explains it.
#[derive(Debug, Default)]
struct Flag {
    usage: String,
    text: Vec<String>,
}

impl Flag {
    /// Its row in docs/settings.md.
    fn row(&self) -> String {
        let whole = self.text.join(" ");
        let (text, rest) = whole.split_once("[default: ").unwrap_or((&whole, ""));
        let default = rest.split(']').next().unwrap_or_default();
        let default = if default.is_empty() {
            "–".to_owned()
        } else {
            format!("`{default}`")
        };
        let text = text
            .split("Possible values:")
            .next()
            .unwrap_or_default()
            .replace('|', "\\|");
        format!("| `{}` | {default} | {} |", self.usage, text.trim())
    }
}

/// Reads the flags out of a help text.
fn flags(program: &str) -> Vec<Flag> {
    let help = Command::new(binary(program))
        .arg("--help")
        .output()
        .unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let mut flags: Vec<Flag> = Vec::new();
    for line in help.lines().skip_while(|line| *line != "Options:").skip(1) {
        let words = line.trim();
        if words.starts_with('-') && (words.starts_with("--") || words.contains(", --")) {
            let (usage, text) = words.split_once("  ").unwrap_or((words, ""));
            let long = usage.split(", ").last().unwrap_or(usage);
            flags.push(Flag {
                usage: long.trim().to_owned(),
                text: vec![text.trim().to_owned()],
            });
        } else if let Some(flag) = flags
            .last_mut()
            .filter(|_| !words.is_empty() && !words.starts_with("- "))
        {
            flag.text.push(words.to_owned());
        }
    }
    flags.retain(|flag| !["--help", "--version"].contains(&flag.usage.as_str()));
    flags
}

/// The text between the marks of a program, which is made from its help.
fn table(program: &str) -> String {
    let mut table = String::from("| flag | default | meaning |\n|---|---|---|\n");
    for flag in flags(program) {
        table.push_str(&flag.row());
        table.push('\n');
    }
    table
}

#[test]
fn every_flag_of_every_program_is_in_settings_md() {
    let file: PathBuf = samples().with_file_name("docs").join("settings.md");
    let written = std::fs::read_to_string(&file).unwrap();
    let mut wanted = written.clone();
    for program in PROGRAMS {
        let (open, close) = (
            format!("<!-- flags of {program} -->\n"),
            format!("<!-- end of {program} -->"),
        );
        let start = wanted
            .find(&open)
            .unwrap_or_else(|| panic!("{program} has no section"))
            + open.len();
        let end = wanted
            .find(&close)
            .unwrap_or_else(|| panic!("{program} has no end"));
        wanted.replace_range(start..end, &table(program));
    }
    if environment("UPDATE").is_some() {
        std::fs::write(&file, &wanted).unwrap();
    } else {
        assert_eq!(
            written, wanted,
            "docs/settings.md differs from --help; UPDATE=1 rewrites it"
        );
    }
}
