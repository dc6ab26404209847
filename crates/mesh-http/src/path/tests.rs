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
        "/A%",
        "/%+1",
    ] {
        check(path, path, path);
    }
    check("/%c0%2e%c0%2e/admin", "/%c0.%c0./admin", "/%c0.%c0./admin");
}

#[test]
fn queries_are_left_alone() {
    check("/a/./b?x=/../%41//", "/a/b?x=/../%41//", "/a/b?x=/../%41//");
}

#[test]
fn encoded_zero_byte_is_refused() {
    assert_eq!(normalize("/admin%00", false), Err(BadPath::Zero));
}
