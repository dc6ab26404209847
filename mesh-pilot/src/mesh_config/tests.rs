use super::*;

#[track_caller]
fn logging(text: &str) -> AccessLogging {
    parse(text).unwrap().access_log.unwrap()
}

#[track_caller]
fn refused(text: &str, field: &str, why: &str) {
    let (got_field, got_why) = parse(text).unwrap_err();
    assert_eq!((got_field.as_str(), got_why.as_str()), (field, why));
}

#[test]
fn without_a_file_there_is_no_log() {
    for text in ["", "trustDomain: td\n", "accessLogFile: ''\n"] {
        assert_eq!(parse(text), Ok(MeshConfig::default()), "{text}");
    }
}

#[test]
fn the_defaults_are_istios() {
    let log = logging("accessLogFile: /dev/stdout\n");
    assert_eq!(&*log.file, "/dev/stdout");
    assert_eq!(log.format, LogFormat::Text(ISTIO_LINE.into()));
    let log = logging("accessLogFile: /tmp/a\naccessLogEncoding: JSON\n");
    let LogFormat::Json(members) = log.format else {
        panic!("{log:?}");
    };
    assert_eq!(members.len(), JSON.len());
    assert_eq!(members["response_code"], "%RESPONSE_CODE%");
}

#[test]
fn every_operator_of_the_defaults_is_known() {
    assert_eq!(check(ISTIO_LINE), Ok(()));
    for (name, text) in JSON {
        assert_eq!(check(text), Ok(()), "{name}");
    }
}

#[test]
fn formats_may_be_ones_own() {
    let log = logging("accessLogFile: /tmp/a\naccessLogFormat: '%RESPONSE_CODE%'\n");
    assert_eq!(log.format, LogFormat::Text("%RESPONSE_CODE%\n".into()));
    let log = logging(
        "accessLogFile: /tmp/a\naccessLogEncoding: JSON\n\
         accessLogFormat: '{\"code\": \"%RESPONSE_CODE%\", \"deep\": {\"n\": 3}}'\n",
    );
    let expect = serde_json::json!({ "code": "%RESPONSE_CODE%", "deep": { "n": 3 } });
    assert_eq!(
        log.format,
        LogFormat::Json(expect.as_object().unwrap().clone())
    );
}

#[test]
fn what_cannot_be_used_is_named() {
    refused(
        "accessLogFile: /tmp/a\naccessLogEncoding: XML\n",
        "accessLogEncoding",
        "\"XML\" is no encoding; there are TEXT and JSON",
    );
    refused(
        "accessLogFile: /tmp/a\naccessLogFormat: '%NOPE%'\n",
        "accessLogFormat",
        "the operator %NOPE% is not supported",
    );
    refused(
        "accessLogFile: /tmp/a\naccessLogEncoding: JSON\n\
         accessLogFormat: '{\"a\": [{\"b\": \"%NOPE%\"}]}'\n",
        "accessLogFormat",
        "a[0].b: the operator %NOPE% is not supported",
    );
    refused("accessLogFile: 3\n", "accessLogFile", "expected text");
    let (field, why) =
        parse("accessLogFile: /tmp/a\naccessLogEncoding: JSON\naccessLogFormat: '[]'\n")
            .unwrap_err();
    assert_eq!(field, "accessLogFormat");
    assert!(why.starts_with("is no object of JSON"), "{why}");
}

#[test]
fn localities_are_read_and_checked() {
    let off = parse("localityLbSetting: {enabled: false}\n").unwrap();
    assert!(!off.locality.is_enabled() && MeshConfig::default().locality.is_enabled());
    // Whether anybody ejects endpoints, DestinationRules say.
    let next = parse("localityLbSetting: {failover: [{from: eu, to: us}]}\n").unwrap();
    assert_eq!(next.locality.failover.len(), 1);
    refused(
        "localityLbSetting: {distribute: [{from: eu, to: {us: 90}}]}",
        "localityLbSetting.distribute[0].to",
        "the shares sum up to 90, not 100",
    );
    refused(
        "localityLbSetting: {enable: true}",
        "localityLbSetting.enable",
        "unknown field",
    );
}
