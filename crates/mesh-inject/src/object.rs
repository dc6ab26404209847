//! One object at a time: finds its pod, takes an earlier injection out, decides, injects.

use mesh_model::diag::{Diagnostic, Severity};
use mesh_model::name::ResourceKey;
use serde_json::{Map, Value};

use crate::annotations::{self, INJECT};
use crate::codes;
use crate::decide::{Decision, Row, Subject, decide, table};
use crate::patch::{Operation, diff};
use crate::pod::{self, Around};
use crate::problem::{Problem, annotation};
use crate::report::{Outcome, Report};
use crate::settings::Settings;
use crate::undo::undo;
use crate::workload::{Shape, workload_name};

/// Puts a sidecar into an object, in its place; nothing when the object is no workload.
///
/// `namespace` is that of objects that name none, `origin` is only printed. An object that had a
/// sidecar loses that first, so that the outcome is the same however often it is done. When a
/// finding is an error the object is as it was.
#[must_use]
pub fn inject_object(
    object: &mut Value,
    settings: &Settings,
    namespace: &str,
    origin: &str,
) -> Option<Report> {
    let shape = Shape::of(object)?;
    let at = shape.key(object, namespace);
    let misplaced = misplaced(object, shape);
    let mut changed = object.clone();
    let asked = Asked {
        settings,
        namespace: &at.namespace,
        namespace_labels: None,
        second: shape.second_metadata(object),
        around: Around {
            workload: &workload_name(object),
            ends: shape.ends(),
        },
    };
    let (outcome, found) = match shape.pod(&mut changed) {
        None => {
            let why = "it has no template of pods".to_owned();
            (Outcome::Skipped(why), Vec::new())
        }
        Some(pod) => inject_pod(pod, &asked),
    };
    if outcome != Outcome::Refused {
        *object = changed;
    }
    let prefix = shape.prefix();
    let found = found.into_iter().map(|one| one.about(&at, &prefix, origin));
    let misplaced = misplaced.into_iter().map(|one| one.about(&at, "", origin));
    Some(Report {
        findings: found.chain(misplaced).collect(),
        at,
        outcome,
    })
}

/// Takes the sidecar out of an object, in its place; nothing when the object is no workload.
#[must_use]
pub fn uninject_object(object: &mut Value, namespace: &str, origin: &str) -> Option<Report> {
    let shape = Shape::of(object)?;
    let at = shape.key(object, namespace);
    let undone = shape.pod(object).map_or(Ok(false), undo);
    let (outcome, finding) = match undone {
        Ok(true) => (Outcome::Uninjected, None),
        Ok(false) => (Outcome::NotInjected, None),
        Err(problem) => (Outcome::Refused, Some(problem)),
    };
    let findings = finding
        .into_iter()
        .map(|one| one.about(&at, &shape.prefix(), origin))
        .collect();
    Some(Report {
        at,
        outcome,
        findings,
    })
}

/// Why a workload's pods get a sidecar, or why not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// Which object.
    pub at: ResourceKey,
    /// What comes of it.
    pub decision: Decision,
    /// What every rule says, in the order in which they are asked.
    pub rows: Vec<Row>,
    /// Why they cannot get the one that they are to have; none of them is created then.
    pub refused: Vec<Diagnostic>,
}

/// Explains what becomes of an object's pods; nothing when it is no workload, or has no pods.
#[must_use]
pub fn explain_object(
    object: &Value,
    settings: &Settings,
    namespace: &str,
    namespace_labels: Option<&Map<String, Value>>,
) -> Option<Explained> {
    let shape = Shape::of(object)?;
    let at = shape.key(object, namespace);
    let mut copy = object.clone();
    let pod = shape.pod(&mut copy)?;
    let second = shape.second_metadata(object);
    let asked = Asked {
        settings,
        namespace: &at.namespace,
        namespace_labels,
        second,
        around: Around {
            workload: &workload_name(object),
            ends: shape.ends(),
        },
    };
    let (_, found) = inject_pod(&mut pod.clone(), &asked);
    // What cannot be undone says no less about whether it is wanted.
    undo(pod).ok();
    let (labels, annotations) = (
        both(second, pod, "labels"),
        both(second, pod, "annotations"),
    );
    let subject = Subject {
        host_network: pod.pointer("/spec/hostNetwork") == Some(&Value::Bool(true)),
        namespace: &at.namespace,
        namespace_labels,
        labels: &labels,
        annotations: &annotations,
    };
    let decision = decide(&subject, settings);
    let found = found.into_iter();
    let found = found.map(|one| one.about(&at, &shape.prefix(), ""));
    let refused = found.filter(|one| decision.inject && one.severity == Severity::Error);
    Some(Explained {
        refused: refused.collect(),
        decision,
        rows: table(&subject, settings),
        at,
    })
}

/// What the webhook answers about a pod.
#[derive(Debug, Clone, PartialEq)]
pub struct Admitted {
    /// What became of the pod.
    pub outcome: Outcome,
    /// Errors and warnings.
    pub findings: Vec<Diagnostic>,
    /// The JSON patch (RFC 6902) to the pod; empty when nothing changes.
    pub patch: Vec<Operation>,
}

/// Injects a pod that is about to be created; `namespace_labels` are asked when they are given.
#[must_use]
pub fn admit(
    pod: &Value,
    settings: &Settings,
    namespace: &str,
    namespace_labels: Option<&Map<String, Value>>,
) -> Admitted {
    let key = |name: &str| ResourceKey {
        group: "".into(),
        kind: "Pod".into(),
        namespace: namespace.into(),
        name: name.into(),
    };
    let meta = pod.get("metadata").unwrap_or(&Value::Null);
    let name = ["name", "generateName"]
        .iter()
        .find_map(|field| meta.get(*field)?.as_str())
        .unwrap_or_default();
    let at = key(name);
    let owner = pod.pointer("/metadata/ownerReferences/0/kind");
    let around = Around {
        workload: &workload_name(pod),
        ends: owner.is_some_and(|kind| kind == "Job"),
    };
    let asked = Asked {
        settings,
        namespace,
        namespace_labels,
        second: None,
        around,
    };
    let mut changed = pod.clone();
    let (outcome, found) = inject_pod(&mut changed, &asked);
    let patch = match outcome {
        Outcome::Refused => Vec::new(),
        _ => diff(pod, &changed),
    };
    Admitted {
        outcome,
        findings: found
            .into_iter()
            .map(|one| one.about(&at, "", ""))
            .collect(),
        patch,
    }
}

/// What an injection depends on, beside the pod.
struct Asked<'a> {
    settings: &'a Settings,
    namespace: &'a str,
    namespace_labels: Option<&'a Map<String, Value>>,
    /// Metadata around the pod that counts as well.
    second: Option<&'a Value>,
    around: Around<'a>,
}

/// Injects a pod, of which nothing can be used when it is refused.
fn inject_pod(pod: &mut Value, asked: &Asked<'_>) -> (Outcome, Vec<Problem>) {
    let mut said = Vec::new();
    match attempt(pod, asked, &mut said) {
        Ok(outcome) => (outcome, said),
        Err(mut wrong) => {
            wrong.append(&mut said);
            (Outcome::Refused, wrong)
        }
    }
}

fn attempt(
    pod: &mut Value,
    asked: &Asked<'_>,
    said: &mut Vec<Problem>,
) -> Result<Outcome, Vec<Problem>> {
    let wrong = pod::shape(pod);
    if !wrong.is_empty() {
        return Err(wrong);
    }
    // First, so that nothing below takes what was injected for the user's.
    let was_injected = undo(pod).map_err(|problem| vec![problem])?;
    let labels = both(asked.second, pod, "labels");
    let annotations = both(asked.second, pod, "annotations");
    let subject = Subject {
        host_network: pod.pointer("/spec/hostNetwork") == Some(&Value::Bool(true)),
        namespace: asked.namespace,
        namespace_labels: asked.namespace_labels,
        labels: &labels,
        annotations: &annotations,
    };
    let decision = decide(&subject, asked.settings);
    said.extend(unclear(&decision));
    if !decision.inject {
        return Ok(match was_injected {
            true => Outcome::Removed(decision.why),
            false => Outcome::Skipped(decision.why),
        });
    }
    let (wanted, remarks) = annotations::read(asked.settings, &annotations)?;
    let wrong = pod::check(pod, &wanted);
    if !wrong.is_empty() {
        return Err(wrong);
    }
    said.extend(remarks);
    said.extend(pod::warnings(pod));
    let remarks = pod::inject(pod, &wanted, asked.around).map_err(|problem| vec![problem])?;
    said.extend(remarks);
    Ok(Outcome::Injected)
}

/// Labels or annotations of both places, where the pod's own win.
fn both(second: Option<&Value>, pod: &Value, field: &str) -> Map<String, Value> {
    let of = |metadata: Option<&Value>| {
        let members = metadata.and_then(|metadata| metadata.get(field)?.as_object());
        members.cloned().unwrap_or_default()
    };
    let mut all = of(second);
    all.extend(of(pod.get("metadata")));
    all
}

fn unclear(decision: &Decision) -> Vec<Problem> {
    let unclear = decision.unclear.iter();
    unclear
        .map(|(place, value)| {
            let field = match *place {
                "label" => format!("metadata.labels[{INJECT:?}]"),
                _ => annotation(INJECT),
            };
            let message = format!("{value:?} is neither true nor false and does not count");
            Problem::warning(codes::INVALID_ANNOTATION, field, message)
        })
        .collect()
}

/// Wishes that stand on the object around the pod, where nobody looks for them.
fn misplaced(object: &Value, shape: &Shape) -> Vec<Problem> {
    let pod = shape.path.iter().try_fold(object, |at, name| at.get(*name));
    let mut found = Vec::new();
    for field in ["annotations", "labels"] {
        let of = |value: &Value| value.get("metadata")?.get(field)?.as_object().cloned();
        let there = pod.and_then(of).unwrap_or_default();
        let wishes = of(object).unwrap_or_default();
        let wishes = wishes.keys().filter(|name| annotations::is_for_pods(name));
        found.extend(
            wishes
                .filter(|name| !there.contains_key(*name))
                .map(|name| {
                    let message = "has no effect here";
                    let place = format!("metadata.{field}[{name:?}]");
                    let hint = format!("move it to {}.metadata.{field}", shape.prefix());
                    Problem::warning(codes::MISPLACED, place, message).with_hint(hint)
                }),
        );
    }
    found
}

#[cfg(test)]
mod tests;
