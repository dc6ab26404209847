//! The differences that are known, each with its reason; and what was found.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Case, Run, written};

/// A difference that is right.
struct Entry {
    name: &'static str,
    /// What people are told.
    reason: &'static str,
    /// Whether a case is one of it.
    is: fn(&Case) -> bool,
}

const ENTRIES: &[Entry] = &[
    Entry {
        name: "a path without a slash",
        reason: "what a regex leaves of a path without its first slash gets one; Envoy answers 400",
        is: |case| {
            let [mesh, envoy] = &case.came;
            let rewritten = mesh["body"]["headers"]
                .to_string()
                .contains("x-envoy-original-path");
            rewritten && mesh["status"] == 200 && envoy["status"] == 400
        },
    },
    Entry {
        name: "no authority",
        reason: "RFC 9110 7.2: what a rewrite makes of the host must be one; Envoy sends on whatever it is, or refuses without a word",
        is: |case| case.came[0].to_string().contains("RFC 9110 7.2"),
    },
    Entry {
        name: "a length in 204",
        reason: "RFC 9110 8.6: an answer of status 204 has no content-length; Envoy sends that of the body that it drops",
        is: |case| {
            let [mesh, envoy] = &case.came;
            let without = |came: &Value| -> Vec<Value> {
                let all = came["headers"].as_array().into_iter().flatten();
                let others = all.filter(|field| field[0] != "content-length");
                others.cloned().collect()
            };
            let same = |part: &str| mesh[part] == envoy[part];
            mesh["status"] == 204
                && same("status")
                && same("body")
                && without(mesh) == without(envoy)
        },
    },
];

/// What was found.
#[derive(Default)]
pub(super) struct Judged {
    /// Requests that were compared.
    pub(super) asked: usize,
    /// How often a known difference was met.
    named: BTreeMap<&'static str, usize>,
    /// What has no name.
    unnamed: BTreeMap<String, (usize, String)>,
}

impl Judged {
    pub(super) fn add(&mut self, run: Run) {
        for case in run.cases {
            self.asked += 1;
            if case.came[0] == case.came[1] {
                continue;
            }
            match ENTRIES.iter().find(|entry| (entry.is)(&case)) {
                Some(entry) => *self.named.entry(entry.name).or_default() += 1,
                None => {
                    let [mesh, envoy] = &case.came;
                    let mut what = String::new();
                    differing("", mesh, envoy, &mut what);
                    let text =
                        format!("{}\ntable {}", written(&case.ask.request()), run.table.text);
                    let (count, shortest) = self.unnamed.entry(what).or_default();
                    *count += 1;
                    if shortest.is_empty() || text.len() < shortest.len() {
                        *shortest = text;
                    }
                }
            }
        }
    }

    /// Fails with the differences that have no name.
    #[track_caller]
    pub(super) fn check(&self, seed: u64, shown: usize) {
        for entry in ENTRIES {
            let met = self.named.get(entry.name).copied().unwrap_or(0);
            println!("{met:>6}  {}: {}", entry.name, entry.reason);
        }
        let (kinds, asked) = (self.unnamed.len(), self.asked);
        println!("{asked:>6}  requests compared");
        let mut most: Vec<_> = self.unnamed.iter().collect();
        most.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
        let told = most.iter().take(shown);
        let told = told.map(|(what, (count, text))| format!("{count} times\n{what}{text}\n"));
        let told: String = told.collect();
        assert!(
            kinds == 0,
            "MESH_SEED={seed}: {kinds} differences without a name:\n{told}"
        );
    }
}

/// The smallest parts that differ.
fn differing(at: &str, mesh: &Value, envoy: &Value, text: &mut String) {
    match (mesh, envoy) {
        (Value::Object(ours), Value::Object(theirs)) => {
            let names: std::collections::BTreeSet<_> = ours.keys().chain(theirs.keys()).collect();
            for name in names {
                let part = |all: &serde_json::Map<String, Value>| all.get(name).cloned();
                let (ours, theirs) = (part(ours), part(theirs));
                let [ours, theirs] = [ours, theirs].map(Option::unwrap_or_default);
                differing(&format!("{at}.{name}"), &ours, &theirs, text);
            }
        }
        (Value::Array(ours), Value::Array(theirs)) if ours != theirs => {
            let only = |of: &[Value], other: &[Value]| -> Vec<String> {
                let mut other = other.to_vec();
                let only = of.iter().filter(|one| {
                    let same = other.iter().position(|other| other == *one);
                    same.map(|at| other.remove(at)).is_none()
                });
                only.map(Value::to_string).collect()
            };
            let (ours, theirs) = (only(ours, theirs), only(theirs, ours));
            text.push_str(&format!("{at}: mesh {ours:?} Envoy {theirs:?}\n"));
        }
        (ours, theirs) if ours != theirs => {
            text.push_str(&format!("{at}: mesh {ours} Envoy {theirs}\n"));
        }
        _ => {}
    }
}
