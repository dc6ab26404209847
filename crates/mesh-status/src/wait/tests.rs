use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::Response;
use mesh_test::origin::Origin;

use super::*;

fn mk_flags(url: &str, more: &[&str]) -> Result<WaitFlags, clap::Error> {
    let least = ["wait", "--url", url, "--periodMillis", "1"];
    WaitFlags::try_parse_from(least.iter().chain(more))
}

#[test]
fn the_defaults_are_pilot_agents() {
    let flags = WaitFlags::try_parse_from(["wait"]).unwrap();
    assert_eq!(flags.url.host, "localhost:15021");
    assert_eq!(flags.url.path, "/healthz/ready");
    let times = (
        flags.timeout_seconds,
        flags.period_millis,
        flags.request_timeout_millis,
    );
    assert_eq!(times, (60, 500, 500));
}

#[test]
fn what_cannot_be_asked_is_refused() {
    for url in ["https://localhost/", "/healthz/ready", "a b"] {
        let error = mk_flags(url, &[]).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{url}");
    }
}

#[tokio::test]
async fn it_waits_until_the_proxy_is_ready() {
    let asked = Arc::new(AtomicU64::new(0));
    let count = asked.clone();
    let proxy = Origin::start(move |request| {
        assert_eq!(request.uri().path(), "/healthz/ready");
        let ready = count.fetch_add(1, Ordering::SeqCst) == 3;
        let status = if ready { 200 } else { 503 };
        let response = Response::builder().status(status);
        response.body("INITIALIZING\n".into()).unwrap()
    })
    .await;
    let url = format!("http://localhost:{}/healthz/ready", proxy.address().port());
    let flags = mk_flags(&url, &[]).unwrap();
    assert_eq!(wait(&flags).await, Ok(()));
    assert_eq!(asked.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn it_gives_up_in_time_and_says_what_was_in_the_way() {
    let proxy = Origin::start(|_| {
        let response = Response::builder().status(503);
        response.body("INITIALIZING\n".into()).unwrap()
    })
    .await;
    let url = format!("http://{}/", proxy.address());
    let flags = mk_flags(&url, &["--timeoutSeconds", "1"]).unwrap();
    assert_eq!(wait(&flags).await, Err("503 INITIALIZING".to_owned()));
}
