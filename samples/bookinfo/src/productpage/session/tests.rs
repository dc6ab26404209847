use super::*;

#[test]
fn a_name_survives_the_cookie() {
    for name in ["jason", "Jürgen Müller", "a;b=c,d\"e%41", "名前"] {
        let set = cookie_for(name).unwrap();
        let (pair, _) = set.to_str().unwrap().split_once(';').unwrap();
        let cookies = format!("theme=dark; {pair}; other=1");
        let got = user(&HeaderValue::from_str(&cookies).unwrap());
        assert_eq!(got.as_deref(), Some(name));
    }
}

#[test]
fn what_is_no_name_signs_nobody_in() {
    let long = "x".repeat(65);
    for name in ["", "a\nb", "\0", &long] {
        assert!(cookie_for(name).is_none(), "{name:?}");
    }
    for cookies in ["", "session", "session=", "session=%0A", "xsession=jason"] {
        assert_eq!(
            user(&HeaderValue::from_str(cookies).unwrap()),
            None,
            "{cookies}"
        );
    }
}

#[test]
fn forms_are_decoded() {
    let body = Bytes::from("a=1&username=J%C3%BCrgen+M&passwd=x%");
    assert_eq!(form_field(&body, "username").as_deref(), Some("Jürgen M"));
    assert_eq!(form_field(&body, "passwd").as_deref(), Some("x?"));
    assert_eq!(form_field(&body, "user"), None);
}

#[test]
fn going_back_stays_on_this_site() {
    let check = |referer: &str, expected: Option<&str>| {
        let got = place_on_this_site(referer);
        assert_eq!(
            got.as_ref().map(|v| v.to_str().unwrap()),
            expected,
            "{referer}"
        );
    };
    check(
        "http://shop:8080/productpage?u=test",
        Some("/productpage?u=test"),
    );
    check("http://shop", Some("/"));
    check("http://shop//evil.example/", None);
    check("http://shop/\\evil.example/", None);
    check("nonsense with spaces", None);
}
