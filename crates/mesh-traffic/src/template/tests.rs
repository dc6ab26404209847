use super::*;
use crate::testing::{call, facts};

#[track_caller]
fn check(text: &str, expect: &str) {
    let head = call("GET https://shop/x?y=1\nend-user: jason\nend-user: tom");
    let filled = Template::parse(text).unwrap().fill(&facts(), &head, None);
    assert_eq!(String::from_utf8(filled).unwrap(), expect, "{text}");
}

#[test]
fn operators_are_filled_in() {
    check("plain", "plain");
    check("100%%", "100%");
    check("%DOWNSTREAM_REMOTE_ADDRESS%", "10.0.0.7:4711");
    check(
        "from %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%!",
        "from 10.0.0.7!",
    );
    check("%DOWNSTREAM_LOCAL_PORT%", "80");
    check("%PROTOCOL%", "HTTP/1.1");
    check("%REQ(End-User)%", "jason");
    check("%REQ(:authority)%%REQ(:path)%", "shop/x?y=1");
    check("%REQ(none?:method)%", "GET");
    check("%REQ(end-user):3%", "jas");
    check("%REQ(none)%", "");
}

#[test]
fn answers_may_be_referred_to() {
    let mut response = ResponseHead {
        status: 418,
        ..ResponseHead::default()
    };
    response.fields.append("x-pot", "tea").unwrap();
    let template = Template::parse("%RESPONSE_CODE% %RESP(x-pot)%").unwrap();
    let filled = template.fill(&facts(), &call("GET http://a/"), Some(&response));
    assert_eq!(filled, b"418 tea");
}

#[test]
fn a_value_without_operators_is_known_as_such() {
    let literal = |text: &str| Template::parse(text).unwrap().literal().map(str::to_owned);
    assert_eq!(literal("50%% off").as_deref(), Some("50% off"));
    assert_eq!(literal(""), Some(String::new()));
    assert_eq!(literal("%PROTOCOL%"), None);
}
