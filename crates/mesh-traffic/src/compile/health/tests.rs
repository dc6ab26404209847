use mesh_http::Scheme;
use mesh_proto::any::pack;
use mesh_proto::envoy::envoy::config::core::v3::health_check::{CustomHealthCheck, TlsOptions};
use mesh_proto::envoy::envoy::config::core::v3::{
    EventServiceConfig, HeaderValue, HeaderValueOption, Http2ProtocolOptions, TypedExtensionConfig,
};
use mesh_proto::envoy::envoy::r#type::matcher::v3::StringMatcher;
use mesh_proto::envoy::envoy::r#type::matcher::v3::string_matcher::MatchPattern;

use super::*;
use crate::Cluster;
use crate::testing::eds_cluster;

fn seconds(seconds: i64) -> Option<wkt::Duration> {
    Some(wkt::Duration { seconds, nanos: 0 })
}

fn mk_check(checker: HealthChecker) -> core::HealthCheck {
    core::HealthCheck {
        timeout: seconds(1),
        interval: seconds(10),
        unhealthy_threshold: Some(wkt::UInt32Value { value: 2 }),
        healthy_threshold: Some(wkt::UInt32Value { value: 3 }),
        health_checker: Some(checker),
        ..Default::default()
    }
}

fn mk_http() -> HttpHealthCheck {
    HttpHealthCheck {
        path: "/healthz".into(),
        ..Default::default()
    }
}

fn of_http(http: HttpHealthCheck) -> core::HealthCheck {
    mk_check(HealthChecker::HttpHealthCheck(http))
}

fn mk_payload(hex: &str) -> Payload {
    Payload {
        payload: Some(payload::Payload::Text(hex.into())),
    }
}

fn compiled(check: core::HealthCheck) -> Result<Check, String> {
    let cluster = cluster::Cluster {
        health_checks: vec![check],
        http2_protocol_options: Some(Http2ProtocolOptions::default()),
        ..eds_cluster()
    };
    let compiled = Cluster::compile(&cluster).map_err(|why| why.to_string())?;
    Ok(compiled.checker.unwrap().check().clone())
}

#[track_caller]
fn refused(check: core::HealthCheck, why: &str) {
    let error = compiled(check).unwrap_err();
    let expected = format!("cluster outbound|9080||reviews: health_checks[0]{why}");
    assert_eq!(error, expected);
}

#[test]
fn pauses_that_are_not_said_follow_others_as_in_envoy() {
    let check = compiled(of_http(mk_http())).unwrap();
    let of = Duration::from_secs;
    assert_eq!(check.timeout, of(1));
    assert_eq!((check.unhealthy_threshold, check.healthy_threshold), (2, 3));
    assert!(check.reuses_connections && check.keeps_removed && !check.ignores_new);
    let times = Times {
        interval: of(10),
        no_traffic: of(60),
        no_traffic_healthy: of(60),
        unhealthy: of(10),
        unhealthy_edge: of(10),
        healthy_edge: of(10),
        initial_jitter: Duration::ZERO,
        jitter: Duration::ZERO,
        jitter_percent: 0,
    };
    assert_eq!(check.times, times);
    let check = compiled(core::HealthCheck {
        no_traffic_interval: seconds(5),
        unhealthy_interval: seconds(6),
        healthy_edge_interval: seconds(7),
        ..of_http(mk_http())
    });
    let times = Times {
        no_traffic: of(5),
        no_traffic_healthy: of(5),
        unhealthy: of(6),
        unhealthy_edge: of(6),
        healthy_edge: of(7),
        ..times
    };
    assert_eq!(check.unwrap().times, times);
}

#[test]
fn a_request_is_as_it_is_asked_for() {
    let header = |key: &str, value: &str| HeaderValueOption {
        header: Some(HeaderValue {
            key: key.into(),
            value: value.into(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let check = compiled(of_http(HttpHealthCheck {
        host: "h".into(),
        method: core::RequestMethod::Post.into(),
        send: Some(mk_payload("6f6B")),
        receive: vec![mk_payload("00ff")],
        request_headers_to_add: vec![header("x-one", "1")],
        request_headers_to_remove: vec!["user-agent".into()],
        codec_client_type: CodecClientType::Http2.into(),
        ..mk_http()
    }));
    let Probe::Http(probe) = check.unwrap().probe else {
        panic!("is not HTTP");
    };
    assert_eq!(probe.host.as_deref(), Some("h"));
    assert_eq!((probe.send.as_slice(), probe.http2), (&b"ok"[..], true));
    assert_eq!(probe.receive, [b"\x00\xff"]);
    assert_eq!(probe.keeps(), Some(1024));
    let head = probe.head("h", Scheme::Https).unwrap();
    let fields: Vec<_> = head.fields.iter().collect();
    assert_eq!(
        fields,
        [("x-one", &b"1"[..]), ("content-length", &b"2"[..])]
    );
    assert_eq!(
        (head.method.as_str(), head.path.as_str()),
        ("POST", "/healthz")
    );
}

#[test]
fn what_is_wrong_is_named() {
    let http = |change: fn(&mut HttpHealthCheck)| {
        let mut http = mk_http();
        change(&mut http);
        of_http(http)
    };
    let with = |change: fn(&mut core::HealthCheck)| {
        let mut check = of_http(mk_http());
        change(&mut check);
        check
    };
    refused(with(|c| c.timeout = None), ".timeout: is missing");
    refused(
        with(|c| c.interval = seconds(0)),
        ".interval: must be more than nothing",
    );
    refused(
        with(|c| c.healthy_threshold = None),
        ".healthy_threshold: is missing",
    );
    refused(
        with(|c| c.event_service = Some(EventServiceConfig::default())),
        ".event_service: is not supported",
    );
    refused(
        with(|c| c.health_checker = None),
        ": has none of http_health_check, tcp_health_check and grpc_health_check",
    );
    refused(
        mk_check(HealthChecker::CustomHealthCheck(
            CustomHealthCheck::default(),
        )),
        ".custom_health_check: is not supported",
    );
    refused(
        http(|h| h.path = String::new()),
        ".http_health_check.path: is missing",
    );
    refused(
        http(|h| h.send = Some(mk_payload("00"))),
        ".http_health_check.send: a request by GET has no body; POST, PUT, PATCH and OPTIONS may",
    );
    refused(
        http(|h| h.receive = vec![mk_payload("0g")]),
        ".http_health_check.receive[0].text: \"0g\" is not hexadecimal",
    );
    refused(
        http(|h| h.codec_client_type = CodecClientType::Http3.into()),
        ".http_health_check.codec_client_type: HTTP3 is not supported",
    );
    refused(
        http(|h| h.method = core::RequestMethod::Connect.into()),
        ".http_health_check.method: CONNECT is none that can be probed by",
    );
    refused(
        http(|h| {
            h.expected_statuses = vec![Int64Range {
                start: 200,
                end: 200,
            }]
        }),
        ".http_health_check.expected_statuses[0]: from 200 to 200 is no range from 100 on, below 600",
    );
    refused(
        with(|c| {
            c.event_logger = vec![TypedExtensionConfig {
                name: "x".into(),
                typed_config: Some(pack(&mk_payload("00"))),
            }];
        }),
        ".event_logger[0].typed_config: \
         \"type.googleapis.com/envoy.config.core.v3.HealthCheck.Payload\" is not supported",
    );
}

#[test]
fn events_go_to_the_files_that_are_named() {
    let sink = HealthCheckEventFileSink {
        event_log_path: "/two".into(),
    };
    let check = compiled(core::HealthCheck {
        event_log_path: "/one".into(),
        event_logger: vec![TypedExtensionConfig {
            name: "file".into(),
            typed_config: Some(pack(&sink)),
        }],
        always_log_health_check_failures: true,
        tls_options: Some(TlsOptions {
            alpn_protocols: vec!["probe".into()],
        }),
        ..of_http(mk_http())
    });
    let check = check.unwrap();
    assert_eq!(check.events.files, ["/one", "/two"].map(Str::from));
    assert!(check.events.failures && !check.events.successes);
    assert_eq!(check.alpn, ["probe"].map(Str::from));
}

#[test]
fn a_call_needs_http2_and_a_service_may_be_matched() {
    let grpc = mk_check(HealthChecker::GrpcHealthCheck(GrpcHealthCheck {
        service_name: "s".into(),
        ..Default::default()
    }));
    assert!(matches!(
        compiled(grpc.clone()).unwrap().probe,
        Probe::Grpc(_)
    ));
    let cluster = cluster::Cluster {
        health_checks: vec![grpc.clone()],
        ..eds_cluster()
    };
    assert_eq!(
        Cluster::compile(&cluster).unwrap_err().to_string(),
        "cluster outbound|9080||reviews: health_checks[0].grpc_health_check: \
         needs a cluster that speaks HTTP/2 (http2_protocol_options)"
    );
    let two = cluster::Cluster {
        health_checks: vec![grpc.clone(), grpc],
        ..eds_cluster()
    };
    assert_eq!(
        Cluster::compile(&two).unwrap_err().to_string(),
        "cluster outbound|9080||reviews: health_checks: \
         there is more than one, and one is supported, as in Envoy"
    );
    let matched = compiled(of_http(HttpHealthCheck {
        service_name_matcher: Some(StringMatcher {
            match_pattern: Some(MatchPattern::Prefix("svc".into())),
            ..Default::default()
        }),
        ..mk_http()
    }));
    let Probe::Http(probe) = matched.unwrap().probe else {
        panic!("is not HTTP");
    };
    assert!(probe.service.unwrap().matches(b"svc-1"));
}
