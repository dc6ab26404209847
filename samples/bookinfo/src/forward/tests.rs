use super::*;

fn mk_headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(*name, http::HeaderValue::from_static(value));
    }
    headers
}

#[test]
fn only_the_listed_headers_go_on_and_all_their_values() {
    let from = mk_headers(&[
        ("tracestate", "a=1"),
        ("tracestate", "b=2"),
        ("b3", "0"),
        ("end-user", "jason"),
        ("accept", "*/*"),
        ("connection", "close"),
        ("host", "x"),
    ]);
    let without = mk_headers(&[("b3", "0"), ("tracestate", "a=1"), ("tracestate", "b=2")]);
    assert_eq!(without_user(&from), without);
    let mut with = without;
    with.append("end-user", http::HeaderValue::from_static("jason"));
    assert_eq!(with_user(&from), with);
}
