use serde_json::{Value, json};

use crate::{Settings, inject_object, uninject_object};

fn pod(annotations: Value) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web", "labels": {"app": "web"}, "annotations": annotations},
        "spec": {
            "initContainers": [{"name": "migrate"}],
            "containers": [{"name": "web"}, {"name": "helper"}],
        },
    })
}

fn names(pod: &Value, list: &str) -> Vec<String> {
    let items = pod["spec"][list].as_array().cloned().unwrap_or_default();
    let names = items.iter().filter_map(|item| item["name"].as_str());
    names.map(str::to_owned).collect()
}

#[track_caller]
fn injected(mut pod: Value, settings: &Settings) -> Value {
    let report = inject_object(&mut pod, settings, "default", "").unwrap();
    assert_eq!(report.errors().count(), 0, "{report:?}");
    pod
}

#[test]
fn a_native_sidecar_starts_before_the_users_init_containers() {
    let pod = injected(pod(json!({})), &Settings::default());
    let init = ["istio-init", "istio-proxy", "migrate"];
    assert_eq!(names(&pod, "initContainers"), init);
    assert_eq!(names(&pod, "containers"), ["web", "helper"]);
    assert_eq!(pod["spec"]["initContainers"][1]["restartPolicy"], "Always");
    assert!(pod["spec"]["initContainers"][1]["startupProbe"].is_object());
}

#[test]
fn a_classic_sidecar_captures_after_the_users_init_containers_and_holds_the_application() {
    let wishes = json!({"sidecar.istio.io/nativeSidecar": "false"});
    let pod = injected(pod(wishes), &Settings::default());
    assert_eq!(names(&pod, "initContainers"), ["migrate", "istio-init"]);
    assert_eq!(names(&pod, "containers"), ["istio-proxy", "web", "helper"]);
    let sidecar = &pod["spec"]["containers"][0];
    let hook = &sidecar["lifecycle"]["postStart"]["exec"]["command"];
    assert_eq!(*hook, json!(["mesh-proxy", "wait"]));
    assert_eq!(sidecar["restartPolicy"], Value::Null);
}

#[test]
fn an_application_that_does_not_wait_stands_first() {
    let wishes = json!({
        "sidecar.istio.io/nativeSidecar": "false",
        "proxy.istio.io/config": "holdApplicationUntilProxyStarts: false",
    });
    let pod = injected(pod(wishes), &Settings::default());
    assert_eq!(names(&pod, "containers"), ["web", "helper", "istio-proxy"]);
    assert_eq!(pod["spec"]["containers"][2]["lifecycle"], Value::Null);
}

#[test]
fn without_capture_there_is_no_init_container() {
    let wishes = json!({"sidecar.istio.io/interceptionMode": "NONE"});
    let pod = injected(pod(wishes), &Settings::default());
    assert_eq!(names(&pod, "initContainers"), ["istio-proxy", "migrate"]);
}

#[test]
fn the_users_word_is_kept() {
    let mut pod = pod(json!({"kubectl.kubernetes.io/default-container": "helper"}));
    pod["metadata"]["labels"]["service.istio.io/canonical-name"] = json!("shop");
    let pod = injected(pod, &Settings::default());
    let meta = &pod["metadata"];
    assert_eq!(meta["labels"]["service.istio.io/canonical-name"], "shop");
    assert_eq!(
        meta["annotations"]["kubectl.kubernetes.io/default-container"],
        "helper"
    );
}

#[track_caller]
fn check_refused(change: fn(&mut Value), says: &[&str]) {
    let mut object = pod(json!({}));
    change(&mut object);
    let before = object.clone();
    let report = inject_object(&mut object, &Settings::default(), "default", "").unwrap();
    let said: Vec<String> = report.errors().map(ToString::to_string).collect();
    for words in says {
        assert!(said.join("\n").contains(words), "{words:?}: {said:#?}");
    }
    assert_eq!(object, before, "what is refused is as it was");
}

#[test]
fn what_cannot_be_injected_is_named_with_a_way_out() {
    check_refused(
        |pod| pod["spec"]["containers"][1]["name"] = json!("istio-proxy"),
        &[
            "pod default/web: spec.containers[1].name: \"istio-proxy\" is",
            "another name",
        ],
    );
    check_refused(
        |pod| pod["spec"]["volumes"] = json!([{"name": "istio-token"}]),
        &["spec.volumes[0].name", "another name"],
    );
    check_refused(
        |pod| pod["spec"]["containers"] = json!([]),
        &["spec.containers: expected a list"],
    );
    check_refused(
        |pod| pod["metadata"]["annotations"]["sidecar.istio.io/inject"] = json!(true),
        &[
            "metadata.annotations[\"sidecar.istio.io/inject\"]: expected text",
            "quotes",
        ],
    );
    check_refused(
        |pod| {
            pod["spec"]["containers"][0]["ports"] = json!([{"name": "web", "containerPort": 80}]);
            pod["spec"]["containers"][0]["livenessProbe"] = json!({"httpGet": {"port": "http"}});
        },
        &[
            "spec.containers[0].livenessProbe.httpGet.port: no port",
            "its ports are web",
        ],
    );
    check_refused(
        |pod| {
            let scraped = json!({"prometheus.io/scrape": "true", "prometheus.io/port": "15020"});
            pod["metadata"]["annotations"] = scraped;
        },
        &["prometheus.io/port", "is the sidecar's"],
    );
}

#[test]
fn a_probe_of_the_sidecars_own_ports_stays() {
    let mut pod = pod(json!({}));
    let probe = json!({"httpGet": {"path": "/healthz/ready", "port": 15021}});
    pod["spec"]["containers"][0]["readinessProbe"] = probe.clone();
    let pod = injected(pod, &Settings::default());
    assert_eq!(pod["spec"]["containers"][0]["readinessProbe"], probe);
}

#[test]
fn without_a_status_port_nothing_is_asked_of_it() {
    let mut pod = pod(json!({"status.sidecar.istio.io/port": "0"}));
    let probe = json!({"httpGet": {"path": "/", "port": 80}});
    pod["spec"]["containers"][0]["readinessProbe"] = probe.clone();
    let pod = injected(pod, &Settings::default());
    assert_eq!(pod["spec"]["containers"][0]["readinessProbe"], probe);
    assert_eq!(
        pod["metadata"]["annotations"]["prometheus.io/port"],
        Value::Null
    );
    let sidecar = &pod["spec"]["initContainers"][1];
    assert_eq!(sidecar["readinessProbe"], Value::Null);
}

#[test]
fn a_probe_that_was_changed_after_the_injection_stays_changed() {
    let mut pod = pod(json!({}));
    pod["spec"]["containers"][0]["readinessProbe"] = json!({"httpGet": {"path": "/", "port": 80}});
    let mut pod = injected(pod, &Settings::default());
    let changed = json!({"httpGet": {"path": "/new", "port": 80}});
    pod["spec"]["containers"][0]["readinessProbe"] = changed.clone();
    drop(uninject_object(&mut pod, "default", ""));
    assert_eq!(pod["spec"]["containers"][0]["readinessProbe"], changed);
}

#[test]
fn a_sidecar_stays_as_long_as_its_form_needs() {
    let check = |native: &str, config: &str, wanted: &[&str]| {
        let wishes = json!({
            "sidecar.istio.io/nativeSidecar": native,
            "proxy.istio.io/config": config,
        });
        let pod = injected(pod(wishes), &Settings::default());
        let lists = ["initContainers", "containers"].map(|list| &pod["spec"][list]);
        let containers = lists.into_iter().filter_map(Value::as_array).flatten();
        let sidecar = containers.filter(|one| one["name"] == "istio-proxy");
        let arguments = sidecar.filter_map(|one| one["args"].as_array()).flatten();
        let drains: Vec<_> = arguments
            .filter_map(Value::as_str)
            .filter(|flag| flag.contains("drain") || flag.contains("exit"))
            .collect();
        assert_eq!(drains, wanted, "{native} {config}");
    };
    // The application has ended, but not everybody knows.
    check(
        "true",
        "",
        &["--drain-time=5s", "--minimum-drain-duration=5s"],
    );
    // It gets its signal with the application, which may still call others.
    check(
        "false",
        "terminationDrainDuration: 20s",
        &["--drain-time=20s", "--minimum-drain-duration=20s"],
    );
    check(
        "false",
        "proxyMetadata: {EXIT_ON_ZERO_ACTIVE_CONNECTIONS: 'true'}",
        &[
            "--drain-time=5s",
            "--minimum-drain-duration=5s",
            "--exit-on-zero-active-connections=true",
        ],
    );
    check(
        "true",
        "proxyMetadata: {MINIMUM_DRAIN_DURATION: 1m1s, TERMINATION_DRAIN_DURATION_SECONDS: '9'}",
        &["--drain-time=9s", "--minimum-drain-duration=61s"],
    );
}

#[test]
fn threads_follow_the_processors() {
    let check = |wishes: Value, threads: &str| {
        let pod = injected(pod(wishes), &Settings::default());
        let arguments = pod["spec"]["initContainers"][1]["args"].to_string();
        let wanted = format!("--concurrency={threads}");
        assert!(arguments.contains(&wanted), "{wanted}: {arguments}");
    };
    check(json!({}), "2");
    check(json!({"sidecar.istio.io/proxyCPU": "100m"}), "1");
    check(json!({"sidecar.istio.io/proxyCPULimit": "3500m"}), "4");
    check(json!({"proxy.istio.io/config": "concurrency: 7"}), "7");
}
