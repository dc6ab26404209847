//! What holds of every pod: a second injection changes nothing, an uninjection undoes all of it, and
//! the webhook's patch makes the same pod.

use mesh_inject::{Outcome, Settings, inject_object, uninject_object};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Nothing, null, empty, or something: each is another pod to an uninjection.
fn perhaps(
    value: impl Strategy<Value = Value> + 'static,
    empty: Value,
) -> BoxedStrategy<Option<Value>> {
    prop_oneof![
        2 => Just(None),
        1 => Just(Some(Value::Null)),
        1 => Just(Some(empty)),
        4 => value.prop_map(Some),
    ]
    .boxed()
}

fn object(members: Vec<(&str, Option<Value>)>) -> Value {
    let members = members.into_iter();
    let members = members.filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(members.collect())
}

fn texts(
    names: &'static [&'static str],
    values: &'static [&'static str],
) -> BoxedStrategy<Option<Value>> {
    let pairs = prop::collection::btree_map(
        prop::sample::select(names),
        prop::sample::select(values),
        1..4,
    );
    let pairs = pairs.prop_map(|pairs| {
        let pairs = pairs.into_iter();
        Value::Object(
            pairs
                .map(|(name, value)| (name.to_owned(), json!(value)))
                .collect::<Map<_, _>>(),
        )
    });
    perhaps(pairs, json!({}))
}

fn probe() -> BoxedStrategy<Option<Value>> {
    let handlers = [
        json!({"httpGet": {"path": "/x", "port": "http", "scheme": "HTTPS"}}),
        json!({"httpGet": {"port": 8080, "host": "elsewhere"}, "periodSeconds": 2}),
        json!({"tcpSocket": {"port": "8081"}, "timeoutSeconds": 3}),
        json!({"grpc": {"port": 9000, "service": ""}}),
        json!({"exec": {"command": ["true"]}}),
    ];
    perhaps(prop::sample::select(handlers.to_vec()), json!({}))
}

fn container(name: &'static str) -> impl Strategy<Value = Value> {
    let parts = (probe(), probe(), probe(), prop::bool::ANY);
    parts.prop_map(move |(live, ready, started, goes_on)| {
        let hook = json!({"preStop": {"httpGet": {"path": "/stop", "port": 80}}});
        object(vec![
            ("name", Some(json!(name))),
            (
                "ports",
                Some(json!([{"name": "http", "containerPort": 80}])),
            ),
            ("livenessProbe", live),
            ("readinessProbe", ready),
            ("startupProbe", started),
            ("restartPolicy", goes_on.then(|| json!("Always"))),
            ("lifecycle", goes_on.then_some(hook)),
        ])
    })
}

fn pods() -> impl Strategy<Value = Value> {
    let labels = texts(
        &[
            "app",
            "version",
            "security.istio.io/tlsMode",
            "sidecar.istio.io/inject",
        ],
        &["true", "web", ""],
    );
    let annotations = texts(
        &[
            "prometheus.io/scrape",
            "prometheus.io/port",
            "prometheus.io/path",
            "istio.io/rev",
            "sidecar.istio.io/nativeSidecar",
            "kubectl.kubernetes.io/default-container",
        ],
        &["true", "false", "9102"],
    );
    let init = perhaps(container("init").prop_map(|one| json!([one])), json!([]));
    let volumes = perhaps(Just(json!([{"name": "own", "emptyDir": {}}])), json!([]));
    let secrets = perhaps(
        prop::sample::select(&["registry", "own"][..]).prop_map(|name| json!([{"name": name}])),
        json!([]),
    );
    let metadata = (labels, annotations).prop_map(|(labels, annotations)| {
        object(vec![("labels", labels), ("annotations", annotations)])
    });
    let metadata = perhaps(metadata, json!({}));
    let containers = (container("one"), container("two"));
    (metadata, init, containers, volumes, secrets).prop_map(
        |(metadata, init, (one, two), volumes, secrets)| {
            let spec = object(vec![
                ("initContainers", init),
                ("containers", Some(json!([one, two]))),
                ("volumes", volumes),
                ("imagePullSecrets", secrets),
            ]);
            let template = object(vec![("metadata", metadata), ("spec", Some(spec))]);
            json!({
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": "web"},
                "spec": {"template": template},
            })
        },
    )
}

fn settings() -> impl Strategy<Value = Settings> {
    (prop::bool::ANY, prop::bool::ANY, prop::bool::ANY).prop_map(|(native, hold, secrets)| {
        Settings {
            native_sidecars: native,
            hold_application_until_proxy_starts: hold,
            image_pull_secrets: if secrets {
                vec!["registry".to_owned()]
            } else {
                Vec::new()
            },
            ..Settings::default()
        }
    })
}

proptest! {
    #[test]
    fn injections_are_idempotent_and_undone(pod in pods(), settings in settings()) {
        let mut injected = pod.clone();
        let report = inject_object(&mut injected, &settings, "default", "").unwrap();
        if report.outcome == Outcome::Refused {
            // A port 15020 of the user's, a named port that is none: nothing has changed.
            prop_assert_eq!(&injected, &pod);
            return Ok(());
        }
        let mut twice = injected.clone();
        let again = inject_object(&mut twice, &settings, "default", "").unwrap();
        prop_assert_eq!(&twice, &injected);
        prop_assert_eq!(again.findings, report.findings);
        drop(uninject_object(&mut injected, "default", ""));
        prop_assert_eq!(injected, pod);
    }

    #[test]
    fn other_settings_replace_the_injection(pod in pods(), one in settings(), two in settings()) {
        let (mut by_way, mut direct) = (pod.clone(), pod);
        drop(inject_object(&mut by_way, &one, "default", ""));
        drop(inject_object(&mut by_way, &two, "default", ""));
        drop(inject_object(&mut direct, &two, "default", ""));
        prop_assert_eq!(by_way, direct);
    }
}
