use super::*;
use crate::tests::{Recorder, mk_environment, mk_listener, mk_tasks};

async fn ask(reviews: &Reviews) -> Value {
    let request = Request::get("/reviews/0").body(Bytes::new()).unwrap();
    let reply = reviews.answer(request).await;
    assert_eq!(reply.status(), StatusCode::OK);
    serde_json::from_slice(reply.body()).unwrap()
}

async fn check(color: &str, answer: (StatusCode, Value), expected: [Value; 2]) {
    let tasks = mk_tasks();
    let (listener, at) = mk_listener().await;
    let (seen, _requests) = tokio::sync::mpsc::channel(1);
    crate::start(Recorder { seen, answer }, listener, &tasks);
    let environment = mk_environment(
        &[("ENABLE_RATINGS", "true"), ("STAR_COLOR", color)],
        &[("RATINGS", at)],
    );
    let said = ask(&Reviews::new(&environment, &tasks).unwrap()).await;
    let ratings = said["reviews"].as_array().unwrap();
    let ratings: Vec<_> = ratings
        .iter()
        .map(|review| review["rating"].clone())
        .collect();
    assert_eq!(ratings, expected);
}

#[tokio::test]
async fn without_ratings_there_are_no_stars() {
    let environment = mk_environment(&[("SERVICE_VERSION", "v1")], &[]);
    let said = ask(&Reviews::new(&environment, &mk_tasks()).unwrap()).await;
    assert_eq!(said["podname"], "reviews-v1");
    let first = &said["reviews"][0];
    assert_eq!(first["reviewer"], "Reviewer1");
    assert!(first.get("rating").is_none(), "{said}");
}

#[tokio::test]
async fn stars_have_the_colour_of_the_version() {
    let answer = json!({"id": 0, "ratings": {"Reviewer1": 5, "Reviewer2": 4}});
    let expected = [
        json!({"stars": 5, "color": "red"}),
        json!({"stars": 4, "color": "red"}),
    ];
    check("red", (StatusCode::OK, answer), expected).await;
}

#[tokio::test]
async fn ratings_that_fail_leave_their_text() {
    let failed = json!({"error": "Ratings service is currently unavailable"});
    let expected = [failed.clone(), failed];
    check(
        "black",
        (StatusCode::INTERNAL_SERVER_ERROR, json!({})),
        expected.clone(),
    )
    .await;
    check("black", (StatusCode::OK, json!({"ratings": {}})), expected).await;
}

#[test]
fn black_stars_wait_longer_than_the_page_does() {
    let timeout = |color| {
        let environment = mk_environment(&[("ENABLE_RATINGS", "true"), ("STAR_COLOR", color)], &[]);
        Reviews::new(&environment, &mk_tasks())
            .unwrap()
            .stars
            .unwrap()
            .timeout
    };
    assert_eq!(timeout("black"), Duration::from_secs(10));
    assert_eq!(timeout("red"), Duration::from_millis(2500));
}

#[tokio::test]
async fn a_path_that_is_no_id_is_not_found() {
    let reviews = Reviews::new(&mk_environment(&[], &[]), &mk_tasks()).unwrap();
    for path in ["/reviews/", "/reviews/0/1", "/reviews/..%2f", "/other"] {
        let request = Request::get(path).body(Bytes::new()).unwrap();
        assert_eq!(
            reviews.answer(request).await.status(),
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
}
