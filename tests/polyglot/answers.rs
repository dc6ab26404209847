//! Each program beside the sample's own: the same answers to the same requests.

use std::sync::mpsc;

use bytes::Bytes;
use hyper::{HeaderMap, Response};
use mesh_test::origin::Origin;

use crate::answer::{Ask, ask, get};
use crate::program::{Kind, Program, free, places};

/// Asks both, one request after the other, and compares.
async fn same(service: &str, environment: &[(&str, String)], asks: &[Ask<'_>]) {
    let plain = Program::start(service, Kind::Plain, environment);
    let polyglot = Program::start(service, Kind::Polyglot, environment);
    for ask in asks {
        let (expected, got) = (ask.to(plain.address).await, ask.to(polyglot.address).await);
        assert_eq!(got, expected, "{service}: {ask:?}");
    }
}

fn variables(pairs: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
    let owned = pairs
        .iter()
        .map(|(name, value)| (*name, (*value).to_owned()));
    owned.collect()
}

#[tokio::test]
async fn ratings_answer_as_the_samples_own_do() {
    let asks = [
        get("/health"),
        get("/ratings/0"),
        get("/ratings/x"),
        get("/nowhere"),
        ask("HEAD", "/ratings/0", ""),
        ask("POST", "/ratings/7", r#"{"Reviewer1": 1, "Reviewer2": 2}"#),
        get("/ratings/7"),
        ask("POST", "/ratings/7", "[1]"),
        ask("POST", "/ratings/7", "null"),
        ask("DELETE", "/ratings/7", ""),
    ];
    same("ratings", &[], &asks).await;
}

#[tokio::test]
async fn reviews_answer_as_the_samples_own_do_in_each_version() {
    let ratings = Program::start("ratings", Kind::Plain, &[]);
    let asks = [
        get("/health"),
        get("/reviews/0"),
        get("/reviews/abc?u=1"),
        get("/reviews/"),
        get("/reviews/a-b"),
        ask("HEAD", "/reviews/0", ""),
        ask("POST", "/reviews/0", "{}"),
    ];
    let versions: [&[(&'static str, &str)]; 3] = [
        &[("SERVICE_VERSION", "v1"), ("CLUSTER_NAME", "c1")],
        &[("ENABLE_RATINGS", "true"), ("POD_NAME", "reviews-\"2\"")],
        &[("ENABLE_RATINGS", "true"), ("STAR_COLOR", "red")],
    ];
    for version in versions {
        let mut environment = variables(version);
        environment.extend(places(&[("ratings", ratings.address)]));
        same("reviews", &environment, &asks).await;
    }
}

#[tokio::test]
async fn reviews_go_without_stars_when_ratings_are_away() {
    let mut environment = variables(&[("ENABLE_RATINGS", "true")]);
    environment.extend(places(&[("ratings", free())]));
    same("reviews", &environment, &[get("/reviews/0")]).await;
}

#[tokio::test]
async fn the_page_and_its_api_answer_as_the_samples_own_do() {
    let details = Program::start("details", Kind::Plain, &[]);
    let ratings = Program::start("ratings", Kind::Plain, &[]);
    let mut red = variables(&[("ENABLE_RATINGS", "true"), ("STAR_COLOR", "red")]);
    red.extend(places(&[("ratings", ratings.address)]));
    let reviews = Program::start("reviews", Kind::Plain, &red);
    let environment = places(&[
        ("details", details.address),
        ("reviews", reviews.address),
        ("ratings", ratings.address),
    ]);
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let from = |referer| [form[0], ("referer", referer)];
    let (page, elsewhere) = (
        from("http://127.0.0.1/productpage?u=test"),
        from("http://127.0.0.1//evil/"),
    );
    let login = |headers, body| Ask {
        headers,
        ..ask("POST", "/login", body)
    };
    let visitor = |path, headers| Ask {
        headers,
        ..get(path)
    };
    let asks = [
        get("/"),
        get("/index.html"),
        get("/health"),
        get("/nowhere"),
        get("/login"),
        get("/productpage?u=normal"),
        visitor("/productpage", &[("cookie", "session=jason")]),
        visitor("/productpage", &[("cookie", "a=b; session=j%20son%C3%A9")]),
        get("/api/v1/products"),
        get("/api/v1/products/0"),
        get("/api/v1/products/0/reviews"),
        get("/api/v1/products/0/ratings"),
        get("/api/v1/products/x"),
        get("/api/v1/products/0/x"),
        login(&page, "username=jason&passwd="),
        login(&elsewhere, "username=+j+son%C3%A9+&passwd="),
        login(&form, "username="),
        login(&form, "passwd=x"),
        login(&form, "username=x%0d%0aset-cookie:x"),
        visitor("/logout", &[("cookie", "session=jason")]),
    ];
    same("productpage", &environment, &asks).await;
}

#[tokio::test]
async fn the_page_says_what_it_could_not_get() {
    let away = free();
    let environment = places(&[("details", away), ("reviews", away), ("ratings", away)]);
    let asks = [get("/productpage"), get("/api/v1/products/0/reviews")];
    same("productpage", &environment, &asks).await;
}

/// A service that answers everything with `{}`, and tells the headers of the requests.
async fn recorder() -> (Origin, mpsc::Receiver<HeaderMap>) {
    let (tell, told) = mpsc::channel();
    let origin = Origin::start(move |request| {
        tell.send(request.headers().clone()).ok();
        Response::new(Bytes::from_static(b"{}"))
    });
    (origin.await, told)
}

/// The headers of a call that a client does not write of itself, sorted.
fn handed_on(headers: &HeaderMap) -> Vec<String> {
    let own = [
        "host",
        "accept",
        "accept-encoding",
        "connection",
        "content-length",
        "upgrade",
        "http2-settings",
    ];
    let fields = headers
        .iter()
        .filter(|(name, _)| !own.contains(&name.as_str()));
    let mut lines: Vec<String> = fields
        .map(|(name, value)| format!("{name}: {value:?}"))
        .collect();
    lines.sort();
    lines
}

async fn hands_on_the_same(service: &str, path: &str, environment: &[(&'static str, &str)]) {
    let (origin, told) = recorder().await;
    let address = origin.address();
    let all = [
        ("details", address),
        ("reviews", address),
        ("ratings", address),
    ];
    let environment = [variables(environment), places(&all)].concat();
    let headers = [
        ("x-request-id", "1"),
        (
            "traceparent",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ),
        ("b3", "0"),
        ("user-agent", "test/1"),
        ("cookie", "session=jason"),
        ("authorization", "Bearer x"),
        ("end-user", "mallory"),
        ("accept-language", "de"),
        ("x-own", "1"),
    ];
    let ask = Ask {
        headers: &headers,
        ..get(path)
    };
    let called = async |kind| {
        let program = Program::start(service, kind, &environment);
        let _answered = ask.to(program.address).await;
        handed_on(&told.try_iter().next().unwrap())
    };
    let (expected, got) = (called(Kind::Plain).await, called(Kind::Polyglot).await);
    assert!(
        expected.iter().any(|line| line.contains("test/1")),
        "{expected:?}"
    );
    assert_eq!(got, expected, "{service}");
}

#[tokio::test]
async fn reviews_hand_on_the_same_headers() {
    hands_on_the_same("reviews", "/reviews/0", &[("ENABLE_RATINGS", "true")]).await;
}

#[tokio::test]
async fn the_page_hands_on_the_same_headers() {
    hands_on_the_same("productpage", "/api/v1/products/0/ratings", &[]).await;
}
