use mesh_runtime::SystemClock;

use super::*;
use crate::tests::mk_environment;

const MINUTE: u64 = 60;

fn mk_ratings() -> Ratings {
    Ratings::new(&mk_environment(&[], &[]), Arc::new(SystemClock)).unwrap()
}

async fn ask(ratings: &Ratings, method: &str, path: &str, body: &'static str) -> (u16, Value) {
    let request = Request::builder().method(method).uri(path);
    let reply = ratings
        .answer(request.body(Bytes::from(body)).unwrap())
        .await;
    let value = serde_json::from_slice(reply.body()).unwrap_or_default();
    (reply.status().as_u16(), value)
}

#[tokio::test]
async fn ratings_are_read_and_replaced_per_book() {
    let ratings = mk_ratings();
    let usual = json!({"Reviewer1": 5, "Reviewer2": 4});
    let answer = ask(&ratings, "GET", "/ratings/0", "").await;
    assert_eq!(answer, (200, json!({"id": 0, "ratings": usual})));
    let new = json!({"Reviewer1": 1, "Reviewer2": 2});
    let body = r#"{"Reviewer1": 1, "Reviewer2": 2}"#;
    let answer = ask(&ratings, "POST", "/ratings/0", body).await;
    assert_eq!(answer, (200, json!({"id": 0, "ratings": new})));
    assert_eq!(
        ask(&ratings, "GET", "/ratings/0", "").await.1["ratings"],
        new
    );
    assert_eq!(
        ask(&ratings, "GET", "/ratings/1", "").await.1["ratings"],
        usual
    );
}

#[tokio::test]
async fn wrong_requests_get_istios_words() {
    let ratings = mk_ratings();
    let number = json!({"error": "please provide numeric product ID"});
    assert_eq!(
        ask(&ratings, "GET", "/ratings/x", "").await,
        (400, number.clone())
    );
    assert_eq!(
        ask(&ratings, "POST", "/ratings/", "{}").await,
        (400, number)
    );
    let body = json!({"error": "please provide valid ratings JSON"});
    assert_eq!(
        ask(&ratings, "POST", "/ratings/0", "{").await,
        (400, body.clone())
    );
    assert_eq!(
        ask(&ratings, "POST", "/ratings/0", "[1]").await,
        (400, body)
    );
    assert_eq!(ask(&ratings, "DELETE", "/ratings/0", "").await.0, 405);
}

#[test]
fn versions_misbehave_as_named() {
    let check = |version: &str, chance: f64, up: u64, expected: Treatment| {
        let behaviour = Behaviour::of_version(version).unwrap();
        let got = behaviour.treat(chance, Duration::from_secs(up));
        assert_eq!(got, expected, "{version} chance {chance} up {up}");
    };
    check("v1", 0.0, 0, Treatment::Answer);
    check("v-faulty", 0.49, 0, Treatment::Refuse);
    check("v-faulty", 0.51, 0, Treatment::Answer);
    check(
        "v-delayed",
        0.49,
        0,
        Treatment::AnswerAfter(Duration::from_secs(7)),
    );
    check("v-unavailable", 0.9, MINUTE - 1, Treatment::Answer);
    check("v-unavailable", 0.9, MINUTE, Treatment::Refuse);
    check("v-unavailable", 0.9, 2 * MINUTE, Treatment::Answer);
    check("v-unhealthy", 0.9, 15 * MINUTE, Treatment::Refuse);
}

#[test]
fn a_version_with_a_database_is_refused_with_the_way_out() {
    let environment = mk_environment(&[("SERVICE_VERSION", "v2")], &[]);
    let error = Ratings::new(&environment, Arc::new(SystemClock))
        .err()
        .unwrap();
    assert!(error.to_string().contains("use v1"), "{error}");
}
