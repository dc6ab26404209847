use super::*;

#[test]
fn texts_and_operators_are_told_apart() {
    let user = HeaderRef {
        name: "x-user",
        alternative: Some("x-guest"),
        max: Some(8),
    };
    assert_eq!(
        pieces("a %REQ(x-user?x-guest):8%100%%").unwrap(),
        [
            Piece::Text("a "),
            Piece::Operator(Operator::Request(user)),
            Piece::Text("100"),
            Piece::Text("%"),
        ]
    );
    assert_eq!(pieces("").unwrap(), []);
    assert_eq!(
        pieces("%PROTOCOL%").unwrap(),
        [Piece::Operator(Operator::Fact(Fact::Protocol))]
    );
}

#[track_caller]
fn check(text: &str, expect: &str) {
    assert_eq!(pieces(text).unwrap_err().to_string(), expect);
}

#[test]
fn what_cannot_be_filled_in_is_refused() {
    check("50%", "\"50%\" has a lone %; write %% for a per cent sign");
    check("%NOPE%", "the operator %NOPE% is not supported");
    check("%NOPE(x)%", "the operator %NOPE(x)% is not supported");
    check("%REQ%", "the operator %REQ% must name a header in brackets");
    for wrong in [
        "REQ(a:3", "REQ(a)x", "REQ(a):x", "REQ(?b)", "REQ(a?)", "RESP()",
    ] {
        let expect = format!("the operator %{wrong}% must name a header in brackets");
        check(&format!("%{wrong}%"), &expect);
    }
    check("%PROTOCOL(x)%", "the operator %PROTOCOL% takes no brackets");
}

#[track_caller]
fn operator(text: &str) -> Operator<'_> {
    match pieces(text).unwrap().as_slice() {
        [Piece::Operator(operator)] => *operator,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn a_format_of_time_may_have_per_cent_signs() {
    assert_eq!(
        pieces("[%START_TIME(%Y/%m/%d %s.%3f)%] %DURATION%").unwrap(),
        [
            Piece::Text("["),
            Piece::Operator(Operator::Start(Some("%Y/%m/%d %s.%3f"))),
            Piece::Text("] "),
            Piece::Operator(Operator::Span(Span {
                from: Point::RequestBegins,
                to: Point::ResponseEnds,
                unit: Unit::Millis,
            })),
        ]
    );
    assert_eq!(operator("%START_TIME%"), Operator::Start(None));
    assert_eq!(operator("%START_TIME()%"), Operator::Start(None));
}

#[test]
fn operators_with_words_are_read() {
    assert_eq!(operator("%GRPC_STATUS%"), Operator::Grpc(Grpc::Camel));
    assert_eq!(
        operator("%GRPC_STATUS(SNAKE_STRING)%"),
        Operator::Grpc(Grpc::Snake)
    );
    assert_eq!(
        operator("%GRPC_STATUS_NUMBER%"),
        operator("%GRPC_STATUS(NUMBER)%")
    );
    assert_eq!(
        operator("%COMMON_DURATION(US_TX_END:US_RX_BEG:us)%"),
        Operator::Span(Span {
            from: Point::UpstreamRequestEnds,
            to: Point::UpstreamResponseBegins,
            unit: Unit::Micros,
        })
    );
    assert_eq!(
        operator("%UPSTREAM_LOCAL_PORT%"),
        Operator::Fact(Fact::UpstreamLocal(Port::Alone))
    );
    let page = HeaderRef {
        name: "page",
        alternative: None,
        max: Some(3),
    };
    assert_eq!(
        operator("%QUERY_PARAM(page):3%"),
        Operator::QueryParam(page)
    );
}

#[test]
fn a_refusal_says_what_may_be_written() {
    check(
        "%DYNAMIC_METADATA(istio.mixer:status)%",
        "the operator %DYNAMIC_METADATA(istio.mixer:status)% is not supported: no filter here \
         writes any; leave it out",
    );
    check(
        "%START_TIME(%Q)%",
        "the operator %START_TIME(%Q)%: %Q is no conversion that is supported",
    );
    check(
        "%GRPC_STATUS(TEXT)%",
        "the operator %GRPC_STATUS(TEXT)%: may have CAMEL_STRING, SNAKE_STRING or NUMBER in \
         brackets",
    );
    check(
        "%COMMON_DURATION(DS_RX_BEG:US_TX_END:s)%",
        "the operator %COMMON_DURATION(DS_RX_BEG:US_TX_END:s)%: \"s\" is no unit; there are ms, \
         us and ns",
    );
    let why = pieces("%COMMON_DURATION(A:B:ms)%").unwrap_err().to_string();
    assert!(
        why.contains("\"A\" is no point; there are DS_RX_BEG, "),
        "{why}"
    );
    check("%DURATION(x)%", "the operator %DURATION% takes no brackets");
}

#[test]
fn headers_cannot_say_how_a_request_ends() {
    assert!(of_header("%UPSTREAM_CLUSTER% %RESPONSE_CODE%").is_ok());
    for late in [
        "%DURATION%",
        "%START_TIME%",
        "%UPSTREAM_HOST%",
        "%TRAILER(a)%",
    ] {
        assert!(pieces(late).is_ok(), "{late}");
        let why = of_header(late).unwrap_err().to_string();
        assert!(
            why.contains(late) && why.contains("for access logs alone"),
            "{why}"
        );
    }
}

/// docs/telemetry.md names every operator.
#[test]
fn every_operator_is_documented() {
    let docs = include_str!("../../../../docs/telemetry.md");
    let with_words = [
        "REQ(",
        "REQ_WITHOUT_QUERY(",
        "RESP(",
        "TRAILER(",
        "QUERY_PARAM(",
        "START_TIME(",
    ];
    for name in fact::names() {
        assert!(
            docs.contains(&format!("`{name}`")),
            "docs/telemetry.md lacks {name}"
        );
    }
    for name in with_words {
        assert!(
            docs.contains(&format!("`{name}")),
            "docs/telemetry.md lacks {name}"
        );
    }
}
