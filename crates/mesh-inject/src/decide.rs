//! Whether a pod gets a sidecar: an ordered table of rules, of which the first that has an opinion
//! decides. `meshctl check-inject` prints the whole table.

use serde_json::{Map, Value};

use crate::annotations::{INJECT, boolean_word};
use crate::settings::{Policy, Settings};

/// The label by which a namespace asks for sidecars of the default revision.
const NAMESPACE_LABEL: &str = "istio-injection";
/// The label by which a namespace or pod asks for a revision.
const REVISION: &str = "istio.io/rev";
/// The revision that `istio-injection` means.
const DEFAULT_REVISION: &str = "default";

/// What is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Whether the pod shares the node's network.
    pub host_network: bool,
    /// The pod's namespace.
    pub namespace: &'a str,
    /// The namespace's labels; nothing when whoever asks wants the pod injected whatever they are,
    /// as `kube-inject` does, or knows that they fit.
    pub namespace_labels: Option<&'a Map<String, Value>>,
    /// The pod's labels.
    pub labels: &'a Map<String, Value>,
    /// The pod's annotations.
    pub annotations: &'a Map<String, Value>,
}

/// What a rule says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Says {
    /// A sidecar.
    Inject,
    /// No sidecar.
    Skip,
    /// Ask the next rule.
    Nothing,
}

/// What one rule says, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The rule's name.
    pub rule: &'static str,
    /// What it says.
    pub says: Says,
    /// Why; may be empty when it says nothing.
    pub why: String,
}

/// The outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Whether the pod gets a sidecar.
    pub inject: bool,
    /// Why.
    pub why: String,
    /// Values that say neither yes nor no, as (name, value).
    pub unclear: Vec<(&'static str, String)>,
}

type Rule = (&'static str, fn(&Subject<'_>, &Settings) -> (Says, String));

const RULES: [Rule; 9] = [
    ("host network", host_network), // such a pod would capture its node's traffic
    ("system namespace", system_namespace), // before all wishes: Kubernetes itself must not wait for us
    ("namespace", namespace),               // what the API server asks before it asks anybody else
    ("revision", revision),                 // the pod belongs to another control plane
    ("label", label),                       // beats the annotation, as in Istio of today
    ("annotation", annotation),
    ("never-inject selector", never), // wins over always
    ("always-inject selector", always),
    ("policy", policy), // answers always
];

/// What every rule says, in the order in which they are asked.
#[must_use]
pub fn table(subject: &Subject<'_>, settings: &Settings) -> Vec<Row> {
    RULES
        .iter()
        .map(|(rule, ask)| {
            let (says, why) = ask(subject, settings);
            Row { rule, says, why }
        })
        .collect()
}

/// What the first rule with an opinion says.
#[must_use]
pub fn decide(subject: &Subject<'_>, settings: &Settings) -> Decision {
    let answers = RULES.iter().map(|(_, ask)| ask(subject, settings));
    let mut decisive = answers.filter(|(says, _)| *says != Says::Nothing);
    let (says, why) = decisive.next().unwrap_or((Says::Skip, String::new()));
    let unclear = [
        ("label", subject.labels),
        ("annotation", subject.annotations),
    ]
    .into_iter()
    .filter_map(|(place, values)| {
        let value = values.get(INJECT)?.as_str().unwrap_or_default();
        let unclear = !value.is_empty() && boolean_word(value).is_none();
        unclear.then(|| (place, value.to_owned()))
    })
    .collect();
    Decision {
        inject: says == Says::Inject,
        why,
        unclear,
    }
}

fn host_network(subject: &Subject<'_>, _: &Settings) -> (Says, String) {
    when(subject.host_network, Says::Skip, || {
        "hostNetwork: the pod shares the network of its node".to_owned()
    })
}

fn system_namespace(subject: &Subject<'_>, settings: &Settings) -> (Says, String) {
    let namespace = subject.namespace;
    let is_system = settings
        .system_namespaces
        .iter()
        .any(|one| one == namespace);
    when(is_system, Says::Skip, || {
        format!("namespace {namespace} belongs to Kubernetes itself")
    })
}

fn namespace(subject: &Subject<'_>, settings: &Settings) -> (Says, String) {
    let Some(labels) = subject.namespace_labels else {
        return (Says::Nothing, String::new());
    };
    let namespace = subject.namespace;
    let of = |labels: &Map<String, Value>, name| {
        labels.get(name).and_then(Value::as_str).map(str::to_owned)
    };
    let ours = |revision: &str| revision == settings.revision;
    let why = match (of(labels, NAMESPACE_LABEL), of(labels, REVISION)) {
        // istio: of the two labels this one wins.
        (Some(word), _) if word == "enabled" && ours(DEFAULT_REVISION) => return NOTHING,
        (Some(word), _) => format!("namespace {namespace} is labelled {NAMESPACE_LABEL}={word}"),
        (None, Some(revision)) if ours(&revision) => return NOTHING,
        (None, Some(revision)) => {
            format!("namespace {namespace} is labelled {REVISION}={revision}")
        }
        (None, None) => {
            let asks = label(subject, settings).0 == Says::Inject;
            if asks || of(subject.labels, REVISION).is_some_and(|revision| ours(&revision)) {
                return NOTHING;
            }
            format!("namespace {namespace} is not labelled {NAMESPACE_LABEL}=enabled")
        }
    };
    (Says::Skip, why)
}

const NOTHING: (Says, String) = (Says::Nothing, String::new());

fn revision(subject: &Subject<'_>, settings: &Settings) -> (Says, String) {
    let wanted = subject.labels.get(REVISION).and_then(Value::as_str);
    let other = wanted.filter(|wanted| !wanted.is_empty() && *wanted != settings.revision);
    match other {
        Some(wanted) => {
            let ours = &settings.revision;
            let why = format!("the pod's label {REVISION} asks for {wanted}, and this is {ours}");
            (Says::Skip, why)
        }
        None => NOTHING,
    }
}

fn label(subject: &Subject<'_>, _: &Settings) -> (Says, String) {
    wish("label", subject.labels)
}

fn annotation(subject: &Subject<'_>, _: &Settings) -> (Says, String) {
    wish("annotation", subject.annotations)
}

fn wish(place: &str, values: &Map<String, Value>) -> (Says, String) {
    let Some(value) = values.get(INJECT).and_then(Value::as_str) else {
        return NOTHING;
    };
    let why = format!("the pod's {place} {INJECT} is {value:?}");
    match boolean_word(value) {
        Some(true) => (Says::Inject, why),
        Some(false) => (Says::Skip, why),
        None => (Says::Nothing, why),
    }
}

fn never(subject: &Subject<'_>, settings: &Settings) -> (Says, String) {
    let selectors = &settings.never_inject_selector;
    let matches = selectors.iter().any(|one| one.matches(subject.labels));
    when(matches, Says::Skip, || {
        "neverInjectSelector matches the pod's labels".to_owned()
    })
}

fn always(subject: &Subject<'_>, settings: &Settings) -> (Says, String) {
    let selectors = &settings.always_inject_selector;
    let matches = selectors.iter().any(|one| one.matches(subject.labels));
    when(matches, Says::Inject, || {
        "alwaysInjectSelector matches the pod's labels".to_owned()
    })
}

fn policy(_: &Subject<'_>, settings: &Settings) -> (Says, String) {
    match settings.policy {
        Policy::Enabled => (Says::Inject, "the policy is enabled".to_owned()),
        Policy::Disabled => (Says::Skip, "the policy is disabled".to_owned()),
    }
}

fn when(holds: bool, says: Says, why: impl FnOnce() -> String) -> (Says, String) {
    if holds { (says, why()) } else { NOTHING }
}

#[cfg(test)]
mod tests;
