use super::*;
use crate::testing::call;

fn redirect() -> Redirect {
    Redirect {
        status: 301,
        scheme: None,
        host: None,
        port: None,
        path: None,
        strip_query: false,
    }
}

#[track_caller]
fn check(redirect: &Redirect, target: &str, expect: &str) {
    let location = redirect.location(&call(&format!("GET {target}")));
    assert_eq!(location, expect, "{target}");
}

#[test]
fn a_redirect_changes_what_it_names_and_keeps_the_rest() {
    let to = |path: PathRewrite| Redirect {
        path: Some(path),
        ..redirect()
    };
    check(&redirect(), "http://a:81/x?y", "http://a:81/x?y");
    check(
        &Redirect {
            host: Some("b".into()),
            ..redirect()
        },
        "http://a/x",
        "http://b/x",
    );
    check(
        &Redirect {
            port: Some(8443),
            ..redirect()
        },
        "http://a:81/x",
        "http://a:8443/x",
    );
    check(
        &Redirect {
            strip_query: true,
            ..redirect()
        },
        "http://a/x?y",
        "http://a/x",
    );
    check(
        &to(PathRewrite::Whole("/n".into())),
        "http://a/x?y",
        "http://a/n?y",
    );
    check(
        &to(PathRewrite::Whole("/n?z".into())),
        "http://a/x?y",
        "http://a/n?z",
    );
    check(
        &to(PathRewrite::Prefix {
            len: 2,
            with: "/n".into(),
        }),
        "http://a/x/y",
        "http://a/n/y",
    );
}

#[test]
fn another_scheme_drops_the_old_ones_own_port() {
    let https = Redirect {
        scheme: Some(Scheme::Https),
        ..redirect()
    };
    check(&https, "http://a:80/x", "https://a/x");
    check(&https, "http://a:8080/x", "https://a:8080/x");
    check(&https, "https://a:443/x", "https://a:443/x");
}

#[test]
fn rewritten_paths_keep_their_query_and_start_with_a_slash() {
    let prefix = |len, with: &str, path: &str| {
        PathRewrite::Prefix {
            len,
            with: with.into(),
        }
        .apply(path)
    };
    assert_eq!(prefix(4, "/", "/api/v1?x=1"), "//v1?x=1");
    assert_eq!(prefix(5, "/", "/api/v1?x=1"), "/v1?x=1");
    assert_eq!(prefix(4, "", "/api"), "/");
    assert_eq!(PathRewrite::Whole("/n".into()).apply("/api?x"), "/n?x");
    let regex = PathRewrite::Regex {
        pattern: Pattern::part("^/(a|b)/(.*)$").unwrap(),
        with: "/${2}/${1}".into(),
    };
    assert_eq!(regex.apply("/a/x?q"), "/x/a?q");
    assert_eq!(regex.apply("/c/x?q"), "/c/x?q");
}
