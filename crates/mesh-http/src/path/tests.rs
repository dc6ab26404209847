use super::{BadPath, normalize};

#[track_caller]
fn check(input: &str, base: &str, merged: &str) {
    let out = |merge| {
        normalize(input, merge)
            .unwrap()
            .unwrap_or_else(|| input.to_owned())
    };
    assert_eq!(
        (out(false).as_str(), out(true).as_str()),
        (base, merged),
        "{input}"
    );
}

#[test]
fn paths_take_the_form_that_istio_gives_them() {
    check("/app", "/app", "/app");
    check("/app/../admin", "/admin", "/admin");
    check("/app//", "/app//", "/app/");
    check("/app/%2f", "/app/%2f", "/app/%2f");
    check("/xyz%30..//abc", "/xyz0..//abc", "/xyz0../abc");
    check("/app/%2E./admin", "/admin", "/admin");
    check("/app\\admin", "/app/admin", "/app/admin");
    check("/app//../admin", "/app/admin", "/app/admin");
    check("/../../admin/.", "/admin/", "/admin/");
}

#[test]
fn what_is_no_encoding_of_an_unreserved_byte_stays() {
    for path in [
        "/%252e%252e/admin",
        "/%c0%ae%c0%ae",
        "/.../x",
        "/..;/x",
        "/;a=b",
    ] {
        check(path, path, path);
    }
    check("/%c0%2e%c0%2e/admin", "/%c0.%c0./admin", "/%c0.%c0./admin");
}

#[test]
fn a_percent_sign_of_its_own_never_becomes_half_of_an_escape() {
    check("/A%", "/A%25", "/A%25");
    check("/%+1", "/%25+1", "/%25+1");
    check(
        "/static/%%32%65%%32%65/admin",
        "/static/%252e%252e/admin",
        "/static/%252e%252e/admin",
    );
    check("/%2%65", "/%252e", "/%252e");
    check("/%0%30", "/%2500", "/%2500");
}

proptest::proptest! {
    #[test]
    fn a_path_in_normal_form_stays_as_it_is(path in "/[%2eE5c/.\\\\a]{0,24}", merge: bool) {
        if let Ok(Some(once)) = normalize(&path, merge) {
            proptest::prop_assert_eq!(normalize(&once, merge), Ok(None), "{}", path);
        }
    }
}

#[test]
fn queries_are_left_alone() {
    check("/a/./b?x=/../%41//", "/a/b?x=/../%41//", "/a/b?x=/../%41//");
}

#[test]
fn encoded_zero_byte_is_refused() {
    assert_eq!(normalize("/admin%00", false), Err(BadPath::Zero));
}
