use super::*;

#[test]
fn an_authority_is_a_host_and_perhaps_a_port() {
    let check = |text: &str, expect: Option<bool>| {
        let got = Authority::parse(text.as_bytes()).map(|found| found.has_port);
        assert_eq!(got, expect, "{text:?}");
    };
    check("a", Some(false));
    check("reviews.default.svc:9080", Some(true));
    check("a:", Some(false));
    check("a:0", Some(true));
    check("a:65535", Some(true));
    check("a:65536", None);
    check("a:000080", None);
    check("a:8a", None);
    check("a:-1", None);
    check("a:80:80", None);
    check("", None);
    check(":80", None);
    check("10.0.0.1:80", Some(true));
    check("[::1]", Some(false));
    check("[::1]:80", Some(true));
    check("[fe80::1%25eth0]", None);
    check("[::1", None);
    check("[::1]x", None);
    check("[10.0.0.1]", None);
    check("[]", None);
    check("::1", None);
    check("a%20b", Some(false));
    check("a%2", None);
    check("a%zz", None);
    check("a~b-c_d.e!$&'()*+,;=", Some(false));
    for byte in [
        b' ', b'/', b'\\', b'?', b'#', b'@', b'<', b'"', b'{', b'|', b'^', 0x80, 0x7f, 0,
    ] {
        let text = [b'a', byte, b'b'];
        assert_eq!(Authority::parse(&text), None, "{byte:#x}");
    }
}

#[test]
fn a_target_has_the_form_that_its_method_allows() {
    let check = |method: &str, target: &str, expect: Option<(Option<&str>, &str)>| {
        let parsed = parse(method.as_bytes(), target.as_bytes()).ok();
        let got = parsed.map(|t| {
            (
                t.authority,
                if t.slash {
                    "/".to_owned()
                } else {
                    String::new()
                } + t.path,
            )
        });
        let expect = expect.map(|(authority, path)| (authority, path.to_owned()));
        assert_eq!(got, expect, "{method} {target}");
    };
    // RFC 9112 3.2.1
    check("GET", "/", Some((None, "/")));
    check("GET", "/a?b=c#d", Some((None, "/a?b=c#d")));
    check("GET", "//a/b", Some((None, "//a/b")));
    check("GET", "a", None);
    check("GET", "admin", None);
    check("GET", "?a", None);
    check("GET", "#a", None);
    check("GET", "../a", None);
    // RFC 9112 3.2.2
    check("GET", "http://a", Some((Some("a"), "/")));
    check("GET", "HTTP://a:80/b?c", Some((Some("a:80"), "/b?c")));
    check("GET", "hTtPs://[::1]/", Some((Some("[::1]"), "/")));
    check("GET", "http://a?b", Some((Some("a"), "/?b")));
    check("GET", "http://a#b", Some((Some("a"), "/#b")));
    check("OPTIONS", "http://a", Some((Some("a"), "*")));
    check("OPTIONS", "http://a/", Some((Some("a"), "/")));
    check("GET", "http://", None);
    check("GET", "http:///a", None);
    check("GET", "http://?a", None);
    check("GET", "http:/a", None);
    check("GET", "http:a", None);
    check("GET", "http://u@a/", None);
    check("GET", "http://u:p@a/", None);
    check("GET", "http://a\\b/", None);
    check("GET", "http://a:x/", None);
    check("GET", "ftp://a/", None);
    check("GET", "javascript://a/", None);
    check("GET", "ws://a/", None);
    check("GET", " http://a/", None);
    // RFC 9112 3.2.3
    check("CONNECT", "a:80", Some((Some("a:80"), "/")));
    check("CONNECT", "[::1]:80", Some((Some("[::1]:80"), "/")));
    check("CONNECT", "a", None);
    check("CONNECT", "a:", None);
    check("CONNECT", "/", None);
    check("CONNECT", "*", None);
    check("CONNECT", "http://a:80", None);
    check("CONNECT", "u@a:80", None);
    check("GET", "a:80", None);
    check("connect", "a:80", None);
    // RFC 9112 3.2.4
    check("OPTIONS", "*", Some((None, "*")));
    check("GET", "*", None);
    check("options", "*", None);
    check("OPTIONS", "**", None);
    check("OPTIONS", "*?a", None);
}
