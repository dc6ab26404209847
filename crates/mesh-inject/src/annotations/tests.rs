use serde_json::json;

use super::*;

#[track_caller]
fn check_refused(name: &str, value: &str, why: &str) {
    let annotations = [(name.to_owned(), json!(value))].into_iter().collect();
    let wrong = read(&Settings::default(), &annotations).unwrap_err();
    let said = format!("{wrong:?}");
    assert!(said.contains(name) && said.contains(why), "{said}");
}

#[test]
fn a_value_that_cannot_be_used_is_named_with_its_annotation() {
    let traffic = |name: &str| format!("traffic.sidecar.istio.io/{name}");
    check_refused("sidecar.istio.io/proxyCPU", "much", "quantity");
    check_refused("sidecar.istio.io/proxyMemoryLimit", "-1", "quantity");
    check_refused("sidecar.istio.io/interceptionMode", "redirect", "REDIRECT");
    check_refused(
        "sidecar.istio.io/interceptionMode",
        "TPROXY",
        "use REDIRECT",
    );
    check_refused("sidecar.istio.io/discoveryAddress", "pilot", "host:port");
    check_refused("sidecar.istio.io/logLevel", "loud", "trace");
    check_refused("sidecar.istio.io/nativeSidecar", "maybe", "true or false");
    check_refused("sidecar.istio.io/userVolume", "[]", "JSON");
    check_refused("sidecar.istio.io/proxyImage", " ", "text");
    check_refused("status.sidecar.istio.io/port", "70000", "port");
    check_refused("status.sidecar.istio.io/port", "15090", "another port");
    check_refused(
        "readiness.status.sidecar.istio.io/periodSeconds",
        "0",
        "1 or more",
    );
    check_refused(
        &traffic("includeOutboundIPRanges"),
        "10.0.0.0/33",
        "no range",
    );
    check_refused(
        &traffic("excludeOutboundIPRanges"),
        "*",
        "among what is included",
    );
    check_refused(&traffic("includeInboundPorts"), "80,http", "no port");
    check_refused(&traffic("includeInboundPorts"), "80,15006", "own port");
    check_refused(&traffic("excludeInboundPorts"), "0", "no port");
    check_refused(
        &traffic("excludeInterfaces"),
        "averyverylongname",
        "interface",
    );
    check_refused("inject.istio.io/templates", "gateway", "one template");
    check_refused("proxy.istio.io/config", "concurrency: many", "concurrency");
    check_refused("proxy.istio.io/config", "a: [", "line 1");
    check_refused(
        "proxy.istio.io/config",
        "proxyMetadata: {MINIMUM_DRAIN_DURATION: soon}",
        "proxyMetadata.MINIMUM_DRAIN_DURATION: expected a duration",
    );
}

#[test]
fn every_wrong_value_is_said_at_once() {
    let annotations = json!({
        "sidecar.istio.io/proxyCPU": "much",
        "status.sidecar.istio.io/port": "x",
    });
    let wrong = read(&Settings::default(), annotations.as_object().unwrap());
    assert_eq!(wrong.unwrap_err().len(), 2);
}

#[test]
fn single_annotations_beat_the_proxys_configuration() {
    let annotations = json!({
        "proxy.istio.io/config": "discoveryAddress: a:1\nstatusPort: 1\n",
        "sidecar.istio.io/discoveryAddress": "b:2",
    });
    let (wanted, _) = read(&Settings::default(), annotations.as_object().unwrap()).unwrap();
    let proxy = wanted.settings.proxy;
    assert_eq!((proxy.xds_address.as_str(), proxy.status_port), ("b:2", 1));
}

#[test]
fn resources_of_annotations_replace_those_of_the_mesh() {
    let annotations = json!({"sidecar.istio.io/proxyCPU": "20m"});
    let (wanted, _) = read(&Settings::default(), annotations.as_object().unwrap()).unwrap();
    let resources = wanted.settings.proxy.resources;
    assert_eq!(resources.requests, [("cpu".into(), "20m".into())].into());
    assert!(resources.limits.is_empty());
}

#[test]
fn names_of_other_families_are_nobodys_concern() {
    let annotations = json!({"example.com/sidecar": "x", "kubernetes.io/change-cause": "y"});
    let (_, said) = read(&Settings::default(), annotations.as_object().unwrap()).unwrap();
    assert_eq!(said, []);
}

#[test]
fn durations_of_go_become_ours() {
    let check = |text: &str, expected: Option<&str>| {
        assert_eq!(
            durations::with_one_unit(text).as_deref(),
            expected,
            "{text}"
        );
    };
    check("1m30s", Some("90s"));
    check("500ms", Some("500ms"));
    check("2h", Some("7200s"));
    for bad in ["", "5", "s", "5d", "-1s", "99999999999999999999s"] {
        check(bad, None);
    }
}
