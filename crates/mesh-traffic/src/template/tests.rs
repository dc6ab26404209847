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
    check("%REQ(End-User)%", "jason,tom");
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
fn what_cannot_be_filled_in_is_refused() {
    let refused = |text: &str| Template::parse(text).unwrap_err();
    assert!(refused("50%").contains("write %%"));
    assert!(refused("%NOPE%").contains("%NOPE% is not supported"));
    assert!(refused("%REQ%").contains("must name a header"));
    assert!(refused("%REQ(a:3%").contains("must name a header"));
    assert!(refused("%REQ(a)x%").contains("must name a header"));
    assert!(refused("%PROTOCOL(x)%").contains("takes no brackets"));
}
