use serde_json::json;

use super::*;

/// A pod as today's Istio writes it, short.
fn of_istio() -> Value {
    let probers =
        r#"{"/app-health/app/livez":{"httpGet":{"path":"/live","port":80},"timeoutSeconds":1}}"#;
    let own = r#"{"scrape":"true","path":"/own","port":"9102"}"#;
    let status = r#"{"initContainers":["istio-init","istio-proxy"],"containers":null,
        "volumes":["istio-envoy"],"imagePullSecrets":null,"revision":"default"}"#;
    json!({
        "metadata": {
            "labels": {"app": "web", "security.istio.io/tlsMode": "istio"},
            "annotations": {
                "istio.io/rev": "default",
                "prometheus.io/path": "/stats/prometheus",
                "prometheus.io/port": "15020",
                "prometheus.io/scrape": "true",
                "sidecar.istio.io/status": status,
            },
        },
        "spec": {
            "initContainers": [
                {"name": "istio-init"},
                {"name": "istio-proxy", "env": [
                    {"name": "ISTIO_KUBE_APP_PROBERS", "value": probers},
                    {"name": "ISTIO_PROMETHEUS_ANNOTATIONS", "value": own},
                ]},
            ],
            "containers": [{"name": "app", "livenessProbe": {
                "httpGet": {"path": "/app-health/app/livez", "port": 15020},
                "timeoutSeconds": 1,
            }}],
            "volumes": [{"name": "istio-envoy"}],
        },
    })
}

#[test]
fn what_istio_injected_is_taken_out_as_well() {
    let mut pod = of_istio();
    assert_eq!(undo(&mut pod), Ok(true));
    let expected = json!({
        "metadata": {
            "labels": {"app": "web"},
            "annotations": {
                "prometheus.io/path": "/own",
                "prometheus.io/port": "9102",
                "prometheus.io/scrape": "true",
            },
        },
        "spec": {
            "containers": [{"name": "app", "livenessProbe": {
                "httpGet": {"path": "/live", "port": 80},
                "timeoutSeconds": 1,
            }}],
        },
    });
    assert_eq!(pod, expected);
}

#[test]
fn what_istio_1_1_injected_is_taken_out_as_well() {
    let status = r#"{"version":"c0ffee","initContainers":["istio-init"],
        "containers":["istio-proxy"],"volumes":["istio-envoy"],"imagePullSecrets":null}"#;
    let mut pod = json!({
        "metadata": {"annotations": {"sidecar.istio.io/status": status}},
        "spec": {
            "initContainers": [{"name": "istio-init"}],
            "containers": [{"name": "app"}, {"name": "istio-proxy"}],
            "volumes": [{"name": "istio-envoy"}, {"name": "own"}],
        },
    });
    assert_eq!(undo(&mut pod), Ok(true));
    let spec = json!({"containers": [{"name": "app"}], "volumes": [{"name": "own"}]});
    assert_eq!(pod, json!({"metadata": {}, "spec": spec}));
}

#[test]
fn a_record_that_cannot_be_read_is_an_error_with_a_way_out() {
    let mut pod = json!({"metadata": {"annotations": {"sidecar.istio.io/status": "injected"}}});
    let before = pod.clone();
    let said = format!("{:?}", undo(&mut pod).unwrap_err());
    assert!(
        said.contains("sidecar.istio.io/status") && said.contains("begin again"),
        "{said}"
    );
    assert_eq!(pod, before);
}

#[test]
fn a_pod_without_a_record_is_left_alone() {
    let mut pod = json!({"spec": {"containers": [{"name": "istio-proxy"}]}});
    assert_eq!(undo(&mut pod), Ok(false));
    assert_eq!(
        pod,
        json!({"spec": {"containers": [{"name": "istio-proxy"}]}})
    );
}
