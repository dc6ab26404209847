use super::*;

fn mk(status_port: u16, environment: &Environment) -> Result<StatusSettings, BadStatus> {
    let ports = StatusFlags {
        status_port,
        envoy_status_port: 15021,
        envoy_prometheus_port: 15090,
    };
    StatusSettings::new(ports, "10.0.0.1".parse().unwrap(), environment)
}

#[test]
fn what_the_injector_said_counts_only_where_it_is_asked_for() {
    let environment = Environment {
        probers: Some("damaged".to_owned()),
        annotations: Some("damaged".to_owned()),
    };
    assert!(mk(0, &environment).is_ok());
    let error = mk(15020, &environment).unwrap_err().to_string();
    assert!(error.starts_with("ISTIO_KUBE_APP_PROBERS: "), "{error}");
}

#[test]
fn none_of_our_ports_is_scraped() {
    for port in [15020, 15021, 15090] {
        let environment = Environment {
            probers: None,
            annotations: Some(format!(r#"{{"port": "{port}"}}"#)),
        };
        let error = mk(15020, &environment).unwrap_err().to_string();
        let wanted = format!("ISTIO_PROMETHEUS_ANNOTATIONS: port {port} is the sidecar's");
        assert_eq!(error, wanted);
    }
}
