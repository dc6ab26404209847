//! The never-rules as checks. They run by `cargo xtask tidy` and under `cargo test`.

mod text;
mod walls;

use std::path::Path;

use anyhow::{Result, bail};

use crate::say;

/// Prints every broken rule and fails if there is one.
pub(crate) fn run(root: &Path) -> Result<()> {
    let findings = check(root)?;
    for finding in &findings {
        say(finding);
    }
    if findings.is_empty() {
        say("tidy: every rule holds");
        return Ok(());
    }
    bail!("tidy: {} findings", findings.len())
}

/// Every broken rule, one line each: where, what, which rule.
fn check(root: &Path) -> Result<Vec<String>> {
    let mut findings = walls::check(root)?;
    findings.extend(text::check(root)?);
    findings.sort();
    Ok(findings)
}

#[cfg(test)]
mod tests;
