use super::*;

/// What the injector writes, which docs/injection.md shows.
const INJECTED: &str = r#"{
  "/app-health/web/livez": {"httpGet": {"path": "/live", "port": 8080, "scheme": "HTTPS",
      "httpHeaders": [{"name": "X-Probe", "value": "yes"}, {"name": "Host", "value": "shop"}]},
    "timeoutSeconds": 5},
  "/app-health/db/readyz": {"tcpSocket": {"port": 5432}},
  "/app-health/rpc/startupz": {"grpc": {"port": 9000, "service": "health"}},
  "/app-lifecycle/web/prestopz": {"httpGet": {"path": "/stop", "port": "8080"}}
}"#;

#[test]
fn what_the_injector_writes_is_understood() {
    let probers = Probers::parse(INJECTED).unwrap();
    let seconds = Duration::from_secs;
    let live = probers.at("/app-health/web/livez").unwrap();
    let Action::Http(get) = &live.action else {
        panic!("{live:?}");
    };
    assert_eq!((get.https, get.port, &*get.path), (true, 8080, "/live"));
    assert_eq!(get.host.as_ref().unwrap(), "shop");
    assert_eq!(get.headers.get("x-probe").unwrap(), "yes");
    assert_eq!(live.timeout, seconds(5));
    let ready = Prober {
        action: Action::Tcp { port: 5432 },
        timeout: seconds(1),
    };
    assert_eq!(probers.at("/app-health/db/readyz"), Some(&ready));
    let service = "health".to_owned();
    let started = Prober {
        action: Action::Grpc {
            port: 9000,
            service,
        },
        timeout: seconds(1),
    };
    assert_eq!(probers.at("/app-health/rpc/startupz"), Some(&started));
    assert_eq!(probers.slowest(), HOOK_TIMEOUT, "a hook has its time");
}

#[track_caller]
fn check_refused(text: &str, says: &str) {
    let error = Probers::parse(text).unwrap_err().to_string();
    assert!(error.contains(says), "{text}: {error}");
}

#[test]
fn what_makes_no_sense_is_named() {
    check_refused("[", "expected a map");
    check_refused(
        r#"{"/app-health/web/livez": {}}"#,
        "/app-health/web/livez: has not exactly one",
    );
    check_refused(
        r#"{"/app-health/web/livez": {"httpGet": {"port": "http"}}}"#,
        "its port is no number",
    );
    check_refused(
        r#"{"/app-health/web/livez": {"tcpSocket": {"port": 0}}}"#,
        "its port is no number",
    );
    check_refused(
        r#"{"/app-health/web/livez": {"httpGet": {"port": 1, "scheme": "FTP"}}}"#,
        "its scheme",
    );
    let header = r#"{"name": "a b", "value": "c"}"#;
    check_refused(
        &format!(
            r#"{{"/app-health/web/livez": {{"httpGet": {{"port": 1, "httpHeaders": [{header}]}}}}}}"#
        ),
        "the name of a header",
    );
}

#[test]
fn only_istios_paths_lead_to_the_application() {
    for path in [
        "/quitquitquit",
        "/app-health/livez",
        "/app-health//livez",
        "/app-health/web/prestopz",
        "/app-lifecycle/web/livez",
        "/app-health/web/livez/more",
    ] {
        let text = format!(r#"{{"{path}": {{"tcpSocket": {{"port": 1}}}}}}"#);
        check_refused(&text, &format!("{path}: is no"));
    }
}
