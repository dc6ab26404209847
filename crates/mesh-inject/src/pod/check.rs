//! What a pod must be before a sidecar is put in, and what is worth a word.

use serde_json::{Map, Value};

use super::{CAPTURE, SIDECAR, probes, volumes};
use crate::annotations::Wanted;
use crate::codes;
use crate::problem::Problem;
use crate::settings::PROXY_USER;

/// Everything that stands in the way.
pub(crate) fn check(pod: &Value, wanted: &Wanted) -> Vec<Problem> {
    let mut found = Vec::new();
    for list in ["containers", "initContainers"] {
        found.extend(names(pod, list, &|name| {
            [SIDECAR, CAPTURE].contains(&name).then(|| {
                let hint = "give the container another name, or take the other injection out with \
                            `meshctl uninject`";
                ("is the name of a container that is injected", hint)
            })
        }));
    }
    let own: Vec<&str> = wanted
        .volumes
        .iter()
        .filter_map(|volume| volume.get("name")?.as_str())
        .chain([volumes::TOKEN, volumes::ROOT])
        .collect();
    found.extend(names(pod, "volumes", &|name| {
        let hint = "give the volume another name";
        own.contains(&name)
            .then_some(("is the name of a volume that is injected", hint))
    }));
    found
}

/// Whether the parts of a pod that are looked at are of their types.
pub(crate) fn shape(pod: &Value) -> Vec<Problem> {
    let mut found = Vec::new();
    let metadata = pod.get("metadata").unwrap_or(&Value::Null);
    if !metadata.is_null() && !metadata.is_object() {
        found.push(wrong("metadata", "expected fields"));
    }
    for field in ["labels", "annotations"] {
        found.extend(texts(metadata.get(field), &format!("metadata.{field}")));
    }
    let spec = pod.get("spec").and_then(Value::as_object);
    let Some(spec) = spec else {
        found.push(wrong("spec", "is missing"));
        return found;
    };
    for field in ["initContainers", "volumes", "imagePullSecrets"] {
        if spec
            .get(field)
            .is_some_and(|list| !list.is_null() && !list.is_array())
        {
            found.push(wrong(&format!("spec.{field}"), "expected a list"));
        }
    }
    match spec.get("containers").and_then(Value::as_array) {
        Some(containers) if !containers.is_empty() => {}
        _ => found.push(wrong("spec.containers", "expected a list of containers")),
    }
    for list in ["containers", "initContainers", "volumes"] {
        found.extend(names(pod, list, &|_| None));
    }
    found
}

fn texts(value: Option<&Value>, field: &str) -> Vec<Problem> {
    let none = Map::new();
    let members = match value {
        None | Some(Value::Null) => &none,
        Some(Value::Object(members)) => members,
        Some(_) => return vec![wrong(field, "expected names with text")],
    };
    let others = members.iter().filter(|(_, value)| !value.is_string());
    others
        .map(|(name, _)| {
            let field = format!("{field}[{name:?}]");
            wrong(&field, "expected text").with_hint("write the value in quotes")
        })
        .collect()
}

type Refused<'a> = &'a dyn Fn(&str) -> Option<(&'static str, &'static str)>;

/// What is wrong with the names of a list's items.
fn names(pod: &Value, list: &str, refused: Refused<'_>) -> Vec<Problem> {
    let items = pod.get("spec").and_then(|spec| spec.get(list));
    let items = items.and_then(Value::as_array).into_iter().flatten();
    let mut found = Vec::new();
    for (index, item) in items.enumerate() {
        let field = format!("spec.{list}[{index}].name");
        match item.get("name").and_then(Value::as_str) {
            None => found.push(wrong(&field, "expected a name")),
            Some(name) => {
                if let Some((why, hint)) = refused(name) {
                    found.push(wrong(&field, &format!("{name:?} {why}")).with_hint(hint));
                }
            }
        }
    }
    found
}

/// What is allowed and yet hardly meant.
pub(crate) fn warnings(pod: &Value) -> Vec<Problem> {
    let user = |value: &Value| value.pointer("/securityContext/runAsUser")?.as_u64();
    let of_pod = pod.get("spec").and_then(user);
    let mut found = Vec::new();
    let containers = pod.pointer("/spec/containers").and_then(Value::as_array);
    for (index, container) in containers.into_iter().flatten().enumerate() {
        let field = format!("spec.containers[{index}]");
        if user(container).or(of_pod) == Some(u64::from(PROXY_USER)) {
            let message = "runs as user 1337, whose traffic is not captured: it is the sidecar's";
            let problem = Problem::warning(codes::PROXY_USER, field.clone(), message);
            found.push(problem.with_hint("run it as another user"));
        }
        for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
            let handlers = container.get(probe).and_then(Value::as_object);
            let handlers = handlers.into_iter().flat_map(Map::values);
            if handlers.into_iter().any(probes::names_host) {
                let field = format!("{field}.{probe}");
                let message = "names a host and is left as it is";
                let problem = Problem::warning(codes::SHAPE, field, message);
                found.push(problem.with_hint("without one the kubelet asks the pod"));
            }
        }
    }
    found
}

fn wrong(field: &str, message: &str) -> Problem {
    Problem::error(codes::SHAPE, field, message)
}
