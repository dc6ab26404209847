use super::*;

#[track_caller]
fn logging(text: &str) -> AccessLogging {
    access_logging(text).unwrap().unwrap()
}

#[track_caller]
fn refused(text: &str, field: &str, why: &str) {
    let (got_field, got_why) = access_logging(text).unwrap_err();
    assert_eq!((got_field.as_str(), got_why.as_str()), (field, why));
}

#[test]
fn without_a_file_there_is_no_log() {
    assert_eq!(access_logging(""), Ok(None));
    assert_eq!(access_logging("trustDomain: td\n"), Ok(None));
    assert_eq!(access_logging("accessLogFile: ''\n"), Ok(None));
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
        access_logging("accessLogFile: /tmp/a\naccessLogEncoding: JSON\naccessLogFormat: '[]'\n")
            .unwrap_err();
    assert_eq!(field, "accessLogFormat");
    assert!(why.starts_with("is no object of JSON"), "{why}");
}
