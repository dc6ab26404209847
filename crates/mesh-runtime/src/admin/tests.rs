use super::*;

fn pages() -> Admin {
    Admin::new()
        .page("/ready", |_| Page::text(200, "ready"))
        .page("/echo", |query| {
            Page::text(200, query.get("q").cloned().unwrap_or_default())
        })
        .action("/quit", |_| Page::text(200, "bye"))
}

#[test]
fn only_post_changes_something() {
    let status = |method, path| pages().answer(&method, path, &Query::new()).status;
    assert_eq!(status(Method::GET, "/ready"), 200);
    assert_eq!(status(Method::GET, "/quit"), 405);
    assert_eq!(status(Method::POST, "/quit"), 200);
    assert_eq!(status(Method::POST, "/ready"), 405);
    assert_eq!(status(Method::GET, "/nothing"), 404);
}

#[test]
fn queries_are_decoded() {
    let query = parse_query("q=a%20b+c&flag&%zz=1");
    assert_eq!(query.get("q").map(String::as_str), Some("a b c"));
    assert_eq!(query.get("flag").map(String::as_str), Some(""));
}
