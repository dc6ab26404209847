//! Whether programs take the flags that the user sets, asked of the programs themselves before
//! anything starts: they alone know, and those that will run may be older or newer than this one.
//!
//! A program that is given a flag and `--version` reads the flag first: it refuses it, or prints
//! its version and ends.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use mesh_api::nearest;

use super::spawn::locate;
use crate::embedded::plan::Program;
use crate::embedded::plan::sets::{Set, Sets};
use crate::error::{CommandError, at_path};

/// How a program complains of a flag that it does not have.
const UNKNOWN: &str = "error: unexpected argument";

/// Tries every flag that is set.
///
/// # Errors
/// Wrong usage: the first flag that its program does not know, or whose value it refuses.
pub(crate) fn try_out(sets: &Sets) -> Result<(), CommandError> {
    for (name, sets) in sets.by_program() {
        let program = locate(&Program::Sibling(name))?;
        for set in &sets {
            let arguments = [set.argument()];
            let ended = run(&program, &arguments)?;
            if !ended.status.success() {
                return Err(refused(name, set, &ended, &help(&program)?));
            }
        }
        // What is said twice is fine one by one.
        let arguments: Vec<String> = sets.iter().map(|set| set.argument()).collect();
        let ended = run(&program, &arguments)?;
        if !ended.status.success() {
            let why = complaint(&ended);
            return Err(CommandError::usage(format!("--set: {name}: {why}")));
        }
    }
    Ok(())
}

fn run(program: &Path, arguments: &[String]) -> Result<Output, CommandError> {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| at_path(program, &error))
}

fn help(program: &Path) -> Result<String, CommandError> {
    let asked = Command::new(program).arg("--help").output();
    let printed = asked.map_err(|error| at_path(program, &error))?.stdout;
    Ok(String::from_utf8_lossy(&printed).into_owned())
}

fn refused(program: &str, set: &Set, ended: &Output, help: &str) -> CommandError {
    let why = complaint(ended);
    if !String::from_utf8_lossy(&ended.stderr).starts_with(UNKNOWN) {
        return CommandError::usage(format!("--set {set}: {program}: {why}"));
    }
    let flag = &set.flag;
    let error = CommandError::usage(format!("--set {set}: {program} has no flag --{flag}"));
    let all = format!("`{program} --help` shows its flags");
    error.hint(match nearest(flag, flags(help)) {
        Some(near) => format!("did you mean {near:?}? {all}"),
        None => all,
    })
}

/// The first paragraph of what a program says of its command line, as one line.
fn complaint(ended: &Output) -> String {
    let said = String::from_utf8_lossy(&ended.stderr);
    let lines = said.lines().map(str::trim);
    let first: Vec<&str> = lines.take_while(|line| !line.is_empty()).collect();
    let first = first.join(" ");
    first.strip_prefix("error: ").unwrap_or(&first).to_owned()
}

/// Names of flags: the lines of the help text that begin with one.
fn flags(help: &str) -> impl Iterator<Item = &str> {
    help.lines().filter_map(|line| {
        let line = line.trim_start();
        // `-h, --help` stands behind its short form.
        let long = line.split_once(", ").map_or(line, |(_, long)| long);
        let long = [line, long]
            .into_iter()
            .find_map(|text| text.strip_prefix("--"))?;
        long.split([' ', '=']).next()
    })
}

#[cfg(test)]
mod tests;
