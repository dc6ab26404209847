//! Rules about who may depend on whom, read from Cargo's own metadata.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// Crates that decide and never act: no runtime, no network, no file watching as a dependency.
const PURE: [&str; 6] = [
    "mesh-model",
    "mesh-http",
    "mesh-pki",
    "mesh-api",
    "mesh-traffic",
    "mesh-inject",
];

/// What a pure crate never names.
const IO: [&str; 12] = [
    "tokio",
    "tokio-util",
    "tokio-rustls",
    "hyper",
    "hyper-util",
    "tonic",
    "kube",
    "notify",
    "socket2",
    "rustix",
    "reqwest",
    "tracing-subscriber",
];

/// The processes: they meet on the wire only.
const PROCESSES: [&str; 4] = ["mesh-proxy", "mesh-pilot", "mesh-citadel", "mesh-mixer"];

/// Who may import a process.
const MAY_IMPORT_PROCESSES: [&str; 2] = ["meshctl", "mesh-tests"];

/// Pairs that never meet: (crate, what it never sees).
const NEVER: [(&str, &str); 8] = [
    ("mesh-proxy", "mesh-api"),
    ("mesh-proxy", "mesh-source"),
    ("mesh-proxy", "mesh-kube"),
    ("mesh-xds", "mesh-api"),
    ("mesh-xds", "mesh-traffic"),
    ("mesh-traffic", "mesh-api"),
    ("mesh-model", "serde"),
    ("mesh-traffic", "serde"),
];

/// The licences that a dependency may carry, alone or as one choice of several.
const LICENCES: [&str; 14] = [
    "MIT",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "ISC",
    "Zlib",
    "Unicode-3.0",
    "0BSD",
    "CC0-1.0",
    "MIT-0",
    "Unlicense",
    "OpenSSL",
    "Apache-2.0 WITH LLVM-exception",
];

/// Crates that shall not come back, with the reason.
const BANNED: [(&str, &str); 5] = [
    ("openssl", "rustls carries our TLS"),
    ("native-tls", "rustls carries our TLS"),
    ("ring", "aws-lc-rs is the one cryptography provider"),
    ("serde_yml", "unsound and archived"),
    ("rustls-pemfile", "rustls-pki-types reads PEM"),
];

/// Checks the walls between crates, licences and bans.
pub(crate) fn check(root: &Path) -> Result<Vec<String>> {
    let metadata = metadata(root)?;
    let packages = metadata
        .get("packages")
        .and_then(Value::as_array)
        .context("cargo metadata has no packages")?;
    let members: Vec<&str> = strings(&metadata, "workspace_members");
    // What is only in the lock file, behind a feature that nobody asks for, is not part of mesh.
    let built = built(root)?;
    let is_built = |package: &&Value| {
        built.contains(&format!(
            "{} {}",
            text(package, "name"),
            text(package, "version")
        ))
    };
    let mut findings = Vec::new();
    for package in packages.iter().filter(is_built) {
        let name = text(package, "name");
        findings.extend(check_bans(name));
        if members.contains(&text(package, "id")) {
            findings.extend(check_member(name, package));
        } else {
            findings.extend(check_licence(name, package));
        }
    }
    Ok(findings)
}

fn check_member(name: &str, package: &Value) -> Vec<String> {
    let mut findings = Vec::new();
    let mut broken = |what: String| findings.push(format!("{name}/Cargo.toml: {what}"));
    if text(package, "description").is_empty() {
        broken("has no description".to_owned());
    }
    for (dependency, kind) in dependencies(package) {
        let normal = kind.is_empty();
        if normal && PURE.contains(&name) && IO.contains(&dependency) {
            broken(format!("a pure crate never depends on {dependency}"));
        }
        if PROCESSES.contains(&dependency) && !MAY_IMPORT_PROCESSES.contains(&name) {
            broken(format!(
                "only meshctl and the tests may depend on {dependency}"
            ));
        }
        if normal && matches!(dependency, "kube" | "k8s-openapi") && name != "mesh-kube" {
            broken("only mesh-kube depends on Kubernetes' client".to_owned());
        }
        if normal && NEVER.contains(&(name, dependency)) {
            broken(format!("never depends on {dependency}"));
        }
        if normal && dependency == "mesh-test" && name != "mesh-tests" {
            broken("mesh-test is a dev-dependency".to_owned());
        }
        if dependency == "mesh-fuzz" {
            broken("only the fuzzers depend on mesh-fuzz".to_owned());
        }
    }
    findings
}

fn check_bans(name: &str) -> Option<String> {
    let (_, why) = BANNED.iter().find(|(banned, _)| *banned == name)?;
    Some(format!("Cargo.lock: {name} is banned: {why}"))
}

fn check_licence(name: &str, package: &Value) -> Option<String> {
    let licence = text(package, "license").replace('/', " OR ");
    let allowed = |choice: &str| {
        choice
            .split(" AND ")
            .all(|part| LICENCES.contains(&part.trim_matches(['(', ')', ' '])))
    };
    if licence.split(" OR ").any(allowed) {
        return None;
    }
    Some(format!(
        "Cargo.lock: {name} has the licence {licence:?}, which is not on the list"
    ))
}

/// `name version` of every package that is really built, for any target.
fn built(root: &Path) -> Result<BTreeSet<String>> {
    let args = [
        "tree",
        "--workspace",
        "--locked",
        "--prefix",
        "none",
        "--no-dedupe",
        "--format",
        "{p}",
    ];
    let lines = cargo(root, &args)?;
    let package = |line: &str| {
        let mut words = line.split_whitespace();
        Some(format!(
            "{} {}",
            words.next()?,
            words.next()?.trim_start_matches('v')
        ))
    };
    Ok(String::from_utf8_lossy(&lines)
        .lines()
        .filter_map(package)
        .collect())
}

fn dependencies(package: &Value) -> BTreeMap<&str, &str> {
    let list = package.get("dependencies").and_then(Value::as_array);
    list.into_iter()
        .flatten()
        .map(|d| (text(d, "name"), text(d, "kind")))
        .collect()
}

fn metadata(root: &Path) -> Result<Value> {
    let args = [
        "metadata",
        "--format-version",
        "1",
        "--locked",
        "--filter-platform",
        "x86_64-unknown-linux-gnu",
    ];
    Ok(serde_json::from_slice(&cargo(root, &args)?)?)
}

fn cargo(root: &Path, args: &[&str]) -> Result<Vec<u8>> {
    let output = Command::new("cargo")
        .args(args)
        .current_dir(root)
        .output()
        .context("cargo")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "cargo {}: {said}", args.join(" "));
    Ok(output.stdout)
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn strings<'a>(value: &'a Value, key: &str) -> Vec<&'a str> {
    let list = value.get(key).and_then(Value::as_array);
    list.into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}
