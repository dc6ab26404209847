use serde_json::json;

use super::*;
use crate::selector::Selector;

/// Labels, annotations and, if asked, the namespace's labels.
#[derive(Default, Clone)]
struct Pod {
    host_network: bool,
    namespace: &'static str,
    namespace_labels: Option<Map<String, Value>>,
    labels: Map<String, Value>,
    annotations: Map<String, Value>,
}

fn map(pairs: &[(&str, &str)]) -> Map<String, Value> {
    let pairs = pairs.iter();
    pairs.map(|(k, v)| ((*k).to_owned(), json!(v))).collect()
}

fn pod(labels: &[(&str, &str)], annotations: &[(&str, &str)]) -> Pod {
    Pod {
        labels: map(labels),
        annotations: map(annotations),
        ..Pod::default()
    }
}

impl Pod {
    fn of(self, namespace_labels: &[(&str, &str)]) -> Self {
        Self {
            namespace_labels: Some(map(namespace_labels)),
            ..self
        }
    }
}

fn settings(policy: Policy) -> Settings {
    let selector = |key: &str| Selector {
        match_labels: [(key.to_owned(), "yes".to_owned())].into(),
        match_expressions: Vec::new(),
    };
    Settings {
        policy,
        never_inject_selector: vec![selector("never")],
        always_inject_selector: vec![selector("always")],
        ..Settings::default()
    }
}

#[track_caller]
fn check(policy: Policy, pod: &Pod, inject: bool, why: &str) {
    let subject = Subject {
        host_network: pod.host_network,
        namespace: pod.namespace,
        namespace_labels: pod.namespace_labels.as_ref(),
        labels: &pod.labels,
        annotations: &pod.annotations,
    };
    let decision = decide(&subject, &settings(policy));
    assert!(
        decision.inject == inject && decision.why.contains(why),
        "{:#?}",
        table(&subject, &settings(policy))
    );
}

const ON: (&str, &str) = (INJECT, "true");
const OFF: (&str, &str) = (INJECT, "false");
const NEVER: (&str, &str) = ("never", "yes");
const ALWAYS: (&str, &str) = ("always", "yes");

#[test]
fn the_policy_decides_for_pods_that_say_nothing() {
    check(Policy::Enabled, &pod(&[], &[]), true, "policy is enabled");
    check(
        Policy::Disabled,
        &pod(&[], &[]),
        false,
        "policy is disabled",
    );
}

#[test]
fn selectors_beat_the_policy_and_never_beats_always() {
    check(Policy::Enabled, &pod(&[NEVER], &[]), false, "neverInject");
    check(Policy::Disabled, &pod(&[ALWAYS], &[]), true, "alwaysInject");
    check(
        Policy::Disabled,
        &pod(&[ALWAYS, NEVER], &[]),
        false,
        "never",
    );
}

#[test]
fn a_pods_wish_beats_selectors_and_its_label_beats_its_annotation() {
    check(Policy::Disabled, &pod(&[NEVER], &[ON]), true, "annotation");
    check(
        Policy::Enabled,
        &pod(&[ALWAYS], &[OFF]),
        false,
        "annotation",
    );
    check(Policy::Enabled, &pod(&[OFF], &[ON]), false, "label");
    check(Policy::Disabled, &pod(&[ON], &[OFF]), true, "label");
    for word in ["y", "Yes", "ON", "1"] {
        check(Policy::Disabled, &pod(&[], &[(INJECT, word)]), true, word);
    }
    for unclear in ["", "flase"] {
        check(
            Policy::Disabled,
            &pod(&[], &[(INJECT, unclear)]),
            false,
            "policy",
        );
    }
}

#[test]
fn no_wish_moves_a_sidecar_to_the_nodes_network_or_kubernetes_own_namespaces() {
    let on_host = Pod {
        host_network: true,
        ..pod(&[ON], &[ON])
    };
    check(Policy::Enabled, &on_host, false, "hostNetwork");
    let system = Pod {
        namespace: "kube-system",
        ..pod(&[ON], &[ON])
    };
    check(Policy::Enabled, &system, false, "kube-system");
}

#[test]
fn a_pod_of_another_revision_is_left_to_it() {
    check(
        Policy::Enabled,
        &pod(&[(REVISION, "canary")], &[]),
        false,
        "canary",
    );
    check(
        Policy::Enabled,
        &pod(&[(REVISION, "default")], &[]),
        true,
        "",
    );
}

#[test]
fn the_namespace_is_asked_as_the_api_server_asks_it() {
    let plain = pod(&[], &[]);
    let enabled = &[(NAMESPACE_LABEL, "enabled")][..];
    let (ours, other) = (&[(REVISION, "default")][..], &[(REVISION, "canary")][..]);
    check(Policy::Enabled, &plain.clone().of(enabled), true, "");
    check(Policy::Enabled, &plain.clone().of(ours), true, "");
    check(Policy::Enabled, &plain.clone().of(other), false, "canary");
    check(
        Policy::Enabled,
        &plain.clone().of(&[]),
        false,
        "not labelled",
    );
    check(
        Policy::Enabled,
        &pod(&[], &[ON]).of(&[]),
        false,
        "not labelled",
    );
    check(Policy::Enabled, &pod(&[ON], &[]).of(&[]), true, "label");
    let off = &[(NAMESPACE_LABEL, "disabled")][..];
    check(Policy::Enabled, &pod(&[ON], &[]).of(off), false, "disabled");
    let both = &[(NAMESPACE_LABEL, "enabled"), (REVISION, "canary")][..];
    check(Policy::Enabled, &plain.of(both), true, "");
}

#[test]
fn expressions_of_selectors_are_kubernetes() {
    let check = |text: &str, labels: &[(&str, &str)], expected: bool| {
        let text = format!("neverInjectSelector: [{{matchExpressions: [{text}]}}]");
        let settings = Settings::from_yaml(&text).unwrap();
        let [selector] = settings.never_inject_selector.as_slice() else {
            panic!("{settings:?}");
        };
        assert_eq!(
            selector.matches(&map(labels)),
            expected,
            "{text} {labels:?}"
        );
    };
    check("{key: a, operator: Exists}", &[("a", "")], true);
    check("{key: a, operator: Exists}", &[], false);
    check("{key: a, operator: DoesNotExist}", &[], true);
    check("{key: a, operator: In, values: [x]}", &[("a", "x")], true);
    check("{key: a, operator: In, values: [x]}", &[], false);
    check(
        "{key: a, operator: NotIn, values: [x]}",
        &[("a", "x")],
        false,
    );
    check("{key: a, operator: NotIn, values: [x]}", &[], true);
}
