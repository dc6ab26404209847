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
    assert_eq!(status(Method::POST, "/ready"), 200);
    assert_eq!(status(Method::PUT, "/ready"), 405);
    assert_eq!(status(Method::GET, "/nothing"), 404);
}

#[test]
fn pages_are_listed_by_help_and_where_there_is_none() {
    let get = |path| pages().answer(&Method::GET, path, &Query::new());
    let list = "admin commands are:\n  /echo\n  /help\n  (POST) /quit\n  /ready\n";
    assert_eq!(get("/help"), Page::text(200, list));
    assert_eq!(get("/x"), Page::text(404, format!("invalid path. {list}")));
    let refused = Page::text(405, "Method GET not allowed, POST required.\n");
    assert_eq!(get("/quit"), refused);
}

#[test]
fn queries_are_decoded() {
    let query = parse_query("q=a%20b+c&flag&%zz=1");
    assert_eq!(query.get("q").map(String::as_str), Some("a b c"));
    assert_eq!(query.get("flag").map(String::as_str), Some(""));
}

#[test]
fn whoever_is_not_on_loopback_reads_open_pages_alone() {
    let pages = pages().open_page("/metrics", |_| Page::text(200, "1"));
    let status = |caller, method, path| {
        let page = pages.answer_to(caller, &method, path, &Query::new());
        page.status
    };
    for (method, path, near, far) in [
        (Method::GET, "/metrics", 200, 200),
        (Method::POST, "/metrics", 200, 200),
        (Method::GET, "/ready", 200, 403),
        (Method::POST, "/quit", 200, 403),
        (Method::GET, "/nothing", 404, 403),
    ] {
        assert_eq!(status(Caller::Near, method.clone(), path), near, "{path}");
        assert_eq!(status(Caller::Far, method, path), far, "{path}");
    }
}

#[track_caller]
fn check_caller(peer: &str, own: &str, wanted: Caller) {
    let own = own.parse().unwrap();
    assert_eq!(caller(peer.parse().unwrap(), Some(own)), wanted, "{peer}");
}

#[test]
fn near_is_who_comes_from_loopback_to_loopback() {
    check_caller("127.0.0.1", "127.7.0.11", Caller::Near);
    check_caller("::1", "::1", Caller::Near);
    check_caller("::ffff:127.0.0.1", "::ffff:127.0.0.1", Caller::Near);
    check_caller("10.1.2.3", "10.1.2.4", Caller::Far);
    check_caller("10.1.2.4", "10.1.2.4", Caller::Far);
    check_caller("127.0.0.1", "10.1.2.4", Caller::Far);
    // Anybody, passed on by the sidecar of the pod.
    check_caller("127.0.0.6", "127.0.0.1", Caller::Far);
    check_caller("::6", "::1", Caller::Far);
    assert_eq!(caller(IpAddr::V4(Ipv4Addr::LOCALHOST), None), Caller::Far);
}

async fn ask(from: Ipv4Addr, to: std::net::SocketAddr, path: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind((from, 0).into()).unwrap();
    let mut stream = socket.connect(to).await.unwrap();
    let say = format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    stream.write_all(say.as_bytes()).await.unwrap();
    let mut heard = String::new();
    stream.read_to_string(&mut heard).await.unwrap();
    heard
}

#[tokio::test]
async fn the_server_looks_where_each_connection_comes_from() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let tasks = Tasks::new(&prometheus::Registry::new());
    let pages = pages().open_page("/metrics", |_| Page::text(200, "1"));
    tasks.spawn("admin", pages.serve(listener, tasks.clone()));
    let (near, far) = (Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 0, 0, 6));
    assert!(
        ask(near, address, "/ready")
            .await
            .starts_with("HTTP/1.1 200")
    );
    assert!(
        ask(far, address, "/metrics")
            .await
            .starts_with("HTTP/1.1 200")
    );
    let refused = ask(far, address, "/ready").await;
    assert!(refused.starts_with("HTTP/1.1 403"), "{refused}");
    assert!(refused.ends_with("only on loopback\n"), "{refused}");
    assert!(tasks.stop(Duration::from_secs(5)).await);
}
