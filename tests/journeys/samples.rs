//! Every sample of Bookinfo does what it promises.

use std::collections::BTreeMap;

use mesh_tests::{Caller, Mesh, Setup, Stars, fetch, stars};

/// Requests per measured split.
const REQUESTS: u32 = 2000;

/// Asks reviews through productpage's sidecar and counts the answers.
async fn ask_reviews(mesh: &Mesh, requests: u32, headers: &[(&str, &str)]) -> BTreeMap<Stars, u32> {
    let status = mesh.status();
    let outbound = status
        .workload("productpage")
        .outbound
        .clone()
        .unwrap_or_default();
    let mut caller = Caller::through(&outbound).await;
    let mut counts = BTreeMap::new();
    for _ in 0..requests {
        let (status, body) = caller
            .answer("http://reviews:9080/reviews/0", headers)
            .await;
        assert_eq!(status, 200, "{body}");
        *counts.entry(stars(&body)).or_insert(0) += 1;
    }
    counts
}

/// Asserts that `count` of `REQUESTS` lies within three standard deviations of `share`.
#[track_caller]
fn within_three_sigma(count: u32, share: f64) {
    let n = f64::from(REQUESTS);
    let sigma = (n * share * (1.0 - share)).sqrt();
    let off = (f64::from(count) - n * share).abs();
    assert!(
        off <= 3.0 * sigma,
        "{count} of {REQUESTS} for a share of {share}: more than 3 sigma off"
    );
}

/// Asserts that all of 40 answers show `expect`.
async fn always(mesh: &Mesh, headers: &[(&str, &str)], expect: Stars) {
    assert_eq!(
        ask_reviews(mesh, 40, headers).await,
        BTreeMap::from([(expect, 40)]),
        "{headers:?}"
    );
}

const JASON: &[(&str, &str)] = &[("end-user", "jason")];

#[tokio::test]
async fn the_page_changes_its_stars_from_one_reload_to_another_until_all_goes_to_v1() {
    let mesh = Setup::bookinfo().up();
    let page = format!("{}/productpage", mesh.status().ingress.http);
    let mut seen = BTreeMap::new();
    for _ in 0..60 {
        let (status, body) = fetch(&page, &[]).await;
        assert_eq!(status, 200, "{body}");
        assert!(
            body.contains("<title>Simple Bookstore App</title>"),
            "{body}"
        );
        assert!(body.contains("The Comedy of Errors"), "{body}");
        *seen.entry(stars(&body)).or_insert(0) += 1;
    }
    assert_eq!(seen.len(), 3, "stars of 60 reloads: {seen:?}");

    mesh.apply_sample("virtual-service-all-v1.yaml");
    for _ in 0..20 {
        let (status, body) = fetch(&page, &[]).await;
        assert_eq!((status, stars(&body)), (200, Stars::None));
    }
}

#[tokio::test]
async fn jason_sees_black_stars_after_he_logged_in_and_others_see_none() {
    let mesh = Setup::bookinfo().up();
    mesh.apply_sample("virtual-service-all-v1.yaml");
    mesh.apply_sample("virtual-service-reviews-test-v2.yaml");
    let ingress = mesh.status().ingress.http;
    let mut browser = mesh_test::client::Client::plain(
        mesh_tests::status::address(&ingress),
        mesh_test::client::Http::One,
    )
    .await
    .unwrap();
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let login = browser
        .post(
            &format!("{ingress}/login"),
            &form,
            "username=jason&passwd=x",
        )
        .await
        .unwrap();
    assert_eq!(login.status(), 302, "{login:?}");
    let cookie = login.headers().get("set-cookie").unwrap().to_str().unwrap();
    let cookie = cookie.split(';').next().unwrap().to_owned();
    for _ in 0..10 {
        let (_, page) = fetch(&format!("{ingress}/productpage"), &[("cookie", &cookie)]).await;
        assert_eq!(stars(&page), Stars::Black);
        let (_, page) = fetch(&format!("{ingress}/productpage"), &[]).await;
        assert_eq!(stars(&page), Stars::None);
    }
}

#[tokio::test]
async fn samples_route_by_user() {
    let mesh = Setup::bookinfo().up();
    mesh.apply_sample("virtual-service-reviews-test-v2.yaml");
    always(&mesh, JASON, Stars::Black).await;
    always(&mesh, &[], Stars::None).await;
    mesh.apply_sample("virtual-service-reviews-jason-v2-v3.yaml");
    always(&mesh, JASON, Stars::Black).await;
    always(&mesh, &[], Stars::Red).await;
    mesh.apply_sample("virtual-service-reviews-v3.yaml");
    always(&mesh, JASON, Stars::Red).await;
    always(&mesh, &[], Stars::Red).await;
    mesh.apply_sample("virtual-service-all-v1.yaml");
    always(&mesh, JASON, Stars::None).await;
}

#[tokio::test]
async fn samples_split_traffic_by_weight_and_are_shifted_live() {
    let mesh = Setup::bookinfo().up();
    let shifts = [
        ("virtual-service-reviews-90-10.yaml", [0.9, 0.1, 0.0]),
        ("virtual-service-reviews-80-20.yaml", [0.8, 0.2, 0.0]),
        ("virtual-service-reviews-50-v3.yaml", [0.5, 0.0, 0.5]),
        ("virtual-service-reviews-v2-v3.yaml", [0.0, 0.5, 0.5]),
    ];
    for (sample, shares) in shifts {
        mesh.apply_sample(sample);
        let counts = ask_reviews(&mesh, REQUESTS, &[]).await;
        for (version, share) in [Stars::None, Stars::Black, Stars::Red]
            .into_iter()
            .zip(shares)
        {
            within_three_sigma(counts.get(&version).copied().unwrap_or(0), share);
        }
    }
}
