use serde_json::json;
use tokio::sync::mpsc;

use super::*;
use crate::tests::{Recorder, mk_environment, mk_listener, mk_tasks};

/// A page whose services are all the same recorder.
async fn mk_page(answer: (StatusCode, Value)) -> (ProductPage, mpsc::Receiver<Request<Bytes>>) {
    let tasks = mk_tasks();
    let (listener, at) = mk_listener().await;
    let (seen, requests) = mpsc::channel(64);
    crate::start(Recorder { seen, answer }, listener, &tasks);
    let services = [("DETAILS", at), ("REVIEWS", at), ("RATINGS", at)];
    let page = ProductPage::new(&mk_environment(&[], &services), &tasks).unwrap();
    (page, requests)
}

async fn get(page: &ProductPage, path: &str) -> (u16, String) {
    let request = Request::get(path).body(Bytes::new()).unwrap();
    let reply = page.answer(request).await;
    let text = String::from_utf8(reply.body().to_vec()).unwrap();
    (reply.status().as_u16(), text)
}

fn drain(requests: &mut mpsc::Receiver<Request<Bytes>>) -> Vec<String> {
    let mut paths = Vec::new();
    while let Ok(request) = requests.try_recv() {
        paths.push(request.uri().path().to_owned());
    }
    paths
}

#[tokio::test]
async fn failing_services_leave_a_page_that_says_so() {
    let (page, mut requests) = mk_page((StatusCode::INTERNAL_SERVER_ERROR, json!({}))).await;
    let (status, text) = get(&page, "/productpage").await;
    assert_eq!(status, 200);
    for expected in [
        "Error fetching product details!",
        "Sorry, product details are currently unavailable for this book.",
        "Error fetching product reviews!",
        "Sorry, product reviews are currently unavailable for this book.",
        "The Comedy of Errors",
    ] {
        assert!(text.contains(expected), "{expected} not in {text}");
    }
    // Details are asked once, reviews twice.
    assert_eq!(
        drain(&mut requests),
        ["/details/0", "/reviews/0", "/reviews/0"]
    );
}

#[tokio::test]
async fn the_api_passes_on_the_status_of_a_failure() {
    let (page, _requests) = mk_page((StatusCode::SERVICE_UNAVAILABLE, json!({}))).await;
    let check = async |path: &str, status: u16, text: &str| {
        let (got, body) = get(&page, path).await;
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((got, &body["error"]), (status, &json!(text)), "{path}");
    };
    check("/api/v1/products/0", 503, NO_DETAILS).await;
    check("/api/v1/products/0/reviews", 503, NO_REVIEWS).await;
    check("/api/v1/products/0/ratings", 503, NO_RATINGS).await;
}

#[tokio::test]
async fn a_service_that_is_away_counts_as_500() {
    let (_closed, at) = mk_listener().await;
    drop(_closed);
    let services = [("DETAILS", at), ("REVIEWS", at), ("RATINGS", at)];
    let page = ProductPage::new(&mk_environment(&[], &services), &mk_tasks()).unwrap();
    assert_eq!(get(&page, "/api/v1/products/0").await.0, 500);
}

#[tokio::test]
async fn a_service_that_is_slow_is_given_up() {
    let (_silent, at) = mk_listener().await;
    let services = [("DETAILS", at), ("REVIEWS", at), ("RATINGS", at)];
    let mut page = ProductPage::new(&mk_environment(&[], &services), &mk_tasks()).unwrap();
    assert_eq!(page.timeout, Duration::from_secs(3));
    page.timeout = Duration::from_millis(10);
    let (_, text) = get(&page, "/productpage").await;
    assert!(
        text.contains(NO_DETAILS) && text.contains(NO_REVIEWS),
        "{text}"
    );
}

#[tokio::test]
async fn other_paths_and_methods_are_refused() {
    let (page, _requests) = mk_page((StatusCode::OK, json!({}))).await;
    for path in [
        "/nowhere",
        "/api/v1/productsx",
        "/api/v1/products/x",
        "/api/v1/products/0/x",
    ] {
        assert_eq!(get(&page, path).await.0, 404, "{path}");
    }
    assert_eq!(get(&page, "/login").await.0, 405);
    assert_eq!(
        get(&page, "/health").await,
        (200, "Product page is healthy".to_owned())
    );
    let (status, list) = get(&page, "/api/v1/products").await;
    let list: Value = serde_json::from_str(&list).unwrap();
    assert_eq!(
        (status, &list[0]["title"]),
        (200, &json!("The Comedy of Errors"))
    );
}

#[tokio::test]
async fn signing_in_sets_the_session_and_goes_back() {
    let (page, _requests) = mk_page((StatusCode::OK, json!({}))).await;
    let request = Request::post("/login")
        .header("referer", "http://127.0.0.1:8080/productpage?u=test")
        .body(Bytes::from("username=jason&passwd="));
    let reply = page.answer(request.unwrap()).await;
    assert_eq!(reply.status(), StatusCode::FOUND);
    assert_eq!(reply.headers()["location"], "/productpage?u=test");
    let cookie = reply.headers()["set-cookie"].to_str().unwrap();
    let (pair, _) = cookie.split_once(';').unwrap();

    let request = Request::get("/productpage").header("cookie", pair);
    let reply = page.answer(request.body(Bytes::new()).unwrap()).await;
    let text = String::from_utf8_lossy(reply.body()).into_owned();
    assert!(text.contains("jason") && text.contains("/logout"), "{text}");
    assert!(!text.contains("name=\"username\""), "{text}");

    let request = Request::get("/logout").header("cookie", pair);
    let reply = page.answer(request.body(Bytes::new()).unwrap()).await;
    assert_eq!(reply.headers()["location"], "/productpage");
    assert!(
        reply.headers()["set-cookie"]
            .to_str()
            .unwrap()
            .contains("Max-Age=0")
    );
}

#[tokio::test]
async fn a_login_without_a_usable_name_is_refused() {
    let (page, _requests) = mk_page((StatusCode::OK, json!({}))).await;
    for body in ["", "passwd=x", "username=", "username=x%0d%0aset-cookie:x"] {
        let request = Request::post("/login").body(Bytes::from(body)).unwrap();
        let reply = page.answer(request).await;
        assert_eq!(reply.status(), StatusCode::BAD_REQUEST, "{body}");
    }
}

#[tokio::test]
async fn a_flood_asks_reviews_more_often() {
    let tasks = mk_tasks();
    let (listener, at) = mk_listener().await;
    let (seen, mut requests) = mpsc::channel(64);
    let answer = (StatusCode::OK, json!({}));
    crate::start(Recorder { seen, answer }, listener, &tasks);
    let services = [("DETAILS", at), ("REVIEWS", at), ("RATINGS", at)];
    let environment = mk_environment(&[("FLOOD_FACTOR", "5")], &services);
    let page = ProductPage::new(&environment, &tasks).unwrap();
    get(&page, "/productpage").await;
    // Five of the flood, two of the page itself (the answer above is no list of reviews), details.
    for _ in 0..8 {
        requests.recv().await.unwrap();
    }
}
