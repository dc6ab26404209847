use std::time::{Duration, UNIX_EPOCH};

use mesh_http::{Fields, RequestHead, ResponseHead, Version};

use super::*;
use crate::flags::Flags;
use crate::template::{Ended, Points, UpstreamFacts};
use crate::testing::{call, facts};

/// A request that was answered 503 with the flags UF and URX after 12 ms.
pub(crate) fn ended() -> Ended<'static> {
    let at = |millis| Some(Duration::from_millis(millis));
    Ended {
        start: UNIX_EPOCH + Duration::from_millis(1_767_323_045_678),
        points: Points {
            request_ends: at(1),
            upstream_request_begins: at(2),
            upstream_request_ends: at(3),
            upstream_response_begins: at(9),
            upstream_response_ends: None,
            response_begins: at(10),
            response_ends: at(12),
        },
        route: "default",
        host_name: "reviews-v1-0",
        status: 503,
        grpc_status: None,
        health_check: false,
        flags: Flags::CONNECT_FAILURE.with(Flags::RETRY_LIMIT),
        details: "via_upstream",
        failure: "",
        upstream: Some(UpstreamFacts {
            address: "[::1]:9080".parse().unwrap(),
            name: None,
            local: Some("127.0.0.1:51000".parse().unwrap()),
            version: Some(Version::Http2),
            peer: Some("spiffe://td/ns/default/sa/reviews"),
            service_time: Some(Duration::from_millis(7)),
        }),
        attempts: 2,
        received: 10,
        sent: 20,
        request_head: 100,
        response_head: 50,
    }
}

pub(crate) fn subject<'a>(request: &'a RequestHead, ended: &'a Ended<'a>) -> Subject<'a> {
    Subject {
        facts: facts(),
        request: Some(request),
        response: None,
        trailers: None,
        ended: Some(ended),
    }
}

pub(crate) fn line(format: &Format, request: &RequestHead, ended: &Ended<'_>) -> String {
    let mut out = Vec::new();
    format.write(&subject(request, ended), &mut out);
    String::from_utf8(out).unwrap()
}

#[track_caller]
fn check(text: &str, expect: &str) {
    let request = call("GET http://shop/x?page=12&q=a%20b\nuser-agent: curl/8");
    let format = Format::text(text).unwrap();
    assert_eq!(line(&format, &request, &ended()), expect, "{text}");
}

#[test]
fn operators_of_the_end_are_filled_in() {
    check("%START_TIME%", "2026-01-02T03:04:05.678Z");
    check("%START_TIME(%s.%3f)%", "1767323045.678");
    check("%RESPONSE_CODE% %RESP(:status)%", "503 503");
    check("%RESPONSE_FLAGS%", "UF,URX");
    check(
        "%RESPONSE_FLAGS_LONG%",
        "UpstreamConnectionFailure,UpstreamRetryLimitExceeded",
    );
    check(
        "%RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS%",
        "via_upstream -",
    );
    check("%BYTES_RECEIVED% %BYTES_SENT%", "10 20");
    check("%REQUEST_HEADERS_BYTES% %RESPONSE_HEADERS_BYTES%", "100 50");
    check(
        "%DURATION% %REQUEST_DURATION% %REQUEST_TX_DURATION%",
        "12 1 3",
    );
    check("%RESPONSE_DURATION% %RESPONSE_TX_DURATION%", "9 3");
    check("%COMMON_DURATION(US_TX_END:US_RX_BEG:us)%", "6000");
    check("%COMMON_DURATION(US_RX_BEG:US_RX_END:ms)%", "-");
    check("%COMMON_DURATION(US_RX_BEG:DS_RX_BEG:ms)%", "-");
    check(
        "%UPSTREAM_HOST% %UPSTREAM_HOST_NAME%",
        "[::1]:9080 [::1]:9080",
    );
    check(
        "%UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%|%UPSTREAM_REMOTE_PORT%",
        "::1|9080",
    );
    check(
        "%UPSTREAM_LOCAL_ADDRESS% %UPSTREAM_LOCAL_PORT%",
        "127.0.0.1:51000 51000",
    );
    check("%UPSTREAM_PROTOCOL% %UPSTREAM_CLUSTER%", "HTTP/2 -");
    check(
        "%UPSTREAM_PEER_URI_SAN%",
        "spiffe://td/ns/default/sa/reviews",
    );
    check("%UPSTREAM_REQUEST_ATTEMPT_COUNT%", "2");
    check("%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%", "7");
    check(
        "%ROUTE_NAME% %HOSTNAME% %ACCESS_LOG_TYPE%",
        "default reviews-v1-0 DownstreamEnd",
    );
    check(
        "%QUERY_PARAM(page)% %QUERY_PARAM(q):1% %QUERY_PARAM(x)%",
        "12 a -",
    );
    check("%QUERY_PARAMS%", "page=12&q=a%20b");
    check("%REQ_WITHOUT_QUERY(X-ENVOY-ORIGINAL-PATH?:PATH)%", "/x");
    check("%REQ(none)%|%REQ(user-agent):4%", "-|curl");
    check("%GRPC_STATUS% %GRPC_STATUS_NUMBER%", "- -");
    check(
        "%DOWNSTREAM_TLS_VERSION% %DOWNSTREAM_PEER_FINGERPRINT_256%",
        "- -",
    );
}

#[test]
fn calls_of_grpc_have_a_status() {
    let request = call("POST http://shop/x\ncontent-type: application/grpc");
    let format =
        Format::text("%GRPC_STATUS% %GRPC_STATUS(SNAKE_STRING)% %GRPC_STATUS(NUMBER)%").unwrap();
    assert_eq!(
        line(&format, &request, &ended()),
        "Unavailable UNAVAILABLE 14"
    );
    let told = Ended {
        grpc_status: Some(99),
        ..ended()
    };
    assert_eq!(line(&format, &request, &told), "99 99 99");
}

#[test]
fn answers_that_were_kept_are_read() {
    let (request, ended) = (call("GET http://shop/"), ended());
    let (mut response, mut trailers) = (ResponseHead::default(), Fields::new());
    response.fields.append("x-pot", "tea").unwrap();
    trailers.append("grpc-message", "no \"tea\"").unwrap();
    let subject = Subject {
        response: Some(&response),
        trailers: Some(&trailers),
        ..subject(&request, &ended)
    };
    let mut out = Vec::new();
    let format = Format::text("%RESP(X-Pot?b)% %RESP(b?x-pot):2% %TRAILER(grpc-message)%").unwrap();
    format.write(&subject, &mut out);
    assert_eq!(String::from_utf8(out).unwrap(), "tea te no \\x22tea\\x22");
}

#[test]
fn connections_have_no_request() {
    let (head, ended) = (RequestHead::default(), ended());
    let subject = Subject {
        request: None,
        ..subject(&head, &ended)
    };
    let mut out = Vec::new();
    let format = Format::text("%REQ(:METHOD)% %PROTOCOL% %ACCESS_LOG_TYPE% %BYTES_SENT%").unwrap();
    format.write(&subject, &mut out);
    assert_eq!(out, b"- - TcpConnectionEnd 20");
}

#[test]
fn the_defaults_are_those_of_istio_and_envoy() {
    let request = call("GET http://reviews:9080/0\nx-request-id: id-1");
    assert_eq!(
        line(&Format::istio(), &request, &ended()),
        "[2026-01-02T03:04:05.678Z] \"GET /0 HTTP/1.1\" 503 UF,URX via_upstream - \"-\" 10 20 12 7 \
         \"-\" \"-\" \"id-1\" \"reviews:9080\" \"[::1]:9080\" - 127.0.0.1:51000 10.0.0.9:80 \
         10.0.0.7:4711 - default\n"
    );
    assert_eq!(
        line(&Format::envoy(), &request, &ended()),
        "[2026-01-02T03:04:05.678Z] \"GET /0 HTTP/1.1\" 503 UF,URX 10 20 12 7 \"-\" \"-\" \
         \"id-1\" \"reviews:9080\" \"[::1]:9080\"\n"
    );
    assert_eq!(AccessLog::of_all("-").format.needs(), Needs::default());
}

#[test]
fn a_client_cannot_forge_a_field_or_a_line() {
    let mut request = call("GET http://a/");
    request.path = "/\" 200 -\n[forged]".into();
    request.fields.set("user-agent", "a\tb\u{e9}").unwrap();
    let format = Format::text("\"%REQ(:PATH)%\" \"%REQ(USER-AGENT)%\"\n").unwrap();
    assert_eq!(
        line(&format, &request, &ended()),
        "\"/\\x22 200 -\\x0A[forged]\" \"a\\x09b\\xC3\\xA9\"\n"
    );
}

#[test]
fn json_stays_json_whatever_a_client_sends() {
    let mut request = call("GET http://a/");
    request.path = "/\"\\\n\u{1}\u{e9}".into();
    request.fields.set("user-agent", &b"a\xffb"[..]).unwrap();
    let filled = |text: &str| Json::Filled(crate::template::Template::of_line(text).unwrap());
    let format = Format::json(Json::List(vec![
        filled("%REQ(:PATH)%"),
        filled("%REQ(USER-AGENT)%"),
        filled("%START_TIME(\"%Y\")%"),
    ]));
    assert_eq!(
        line(&format, &request, &ended()),
        "[\"/\\\"\\\\\\n\\u0001\u{e9}\",\"a\\ufffdb\",\"\\\"2026\\\"\"]\n"
    );
}
