use super::*;

fn refused(code: u16, text: &str, seconds: u64) -> Fault {
    Fault::Refused {
        code,
        text: text.to_owned(),
        wait: Duration::from_secs(seconds),
    }
}

#[test]
fn answers_are_told_apart_by_what_is_to_be_done() {
    let check = |code: u16, body: &str, expected: Fault| {
        assert_eq!(
            Fault::answered(code, body.as_bytes()),
            expected,
            "{code} {body}"
        );
    };
    check(410, r#"{"kind":"Status","code":410}"#, Fault::Gone);
    check(404, "404 page not found", Fault::Missing);
    check(403, "{}", Fault::Forbidden);
    check(409, "{}", Fault::Conflict);
    check(500, r#"{"message":"no"}"#, refused(500, "no", 0));
    check(
        429,
        r#"{"details":{"retryAfterSeconds":2}}"#,
        refused(429, "", 2),
    );
    check(
        429,
        r#"{"details":{"retryAfterSeconds":9999}}"#,
        refused(429, "", 30),
    );
    // HTTP's own status counts, not what the body makes of it.
    check(
        503,
        r#"{"code":404,"message":"starting"}"#,
        refused(503, "starting", 0),
    );
}

#[test]
fn the_status_that_ends_a_watch_is_read() {
    let line = br#"{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired"}}"#;
    assert_eq!(Fault::told(line), Fault::Gone);
}

#[test]
fn what_cannot_be_read_is_not_repeated() {
    let error = serde_json::from_str::<u8>("\"aGlkZGVu\"").unwrap_err();
    let fault = format!("{:?}", Fault::unreadable(&error));
    assert!(!fault.contains("aGlkZGVu"), "{fault}");
    let fault = format!("{:?}", Fault::answered(502, b"<html>aGlkZGVu</html>"));
    assert!(!fault.contains("aGlkZGVu"), "{fault}");
}
