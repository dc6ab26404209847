//! Like requests go to the same endpoint, by what a DestinationRule says of them.

use std::collections::BTreeSet;

use mesh_tests::{Caller, Mesh, Setup, stars};

const REVIEWS: &str = "http://reviews:9080/reviews/0";

/// A DestinationRule for reviews that knows like requests by this.
fn known_by(key: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: reviews}}
spec:
  host: reviews
  trafficPolicy:
    loadBalancer:
      consistentHash: {{{key}}}
"
    )
}

async fn caller(mesh: &Mesh) -> Caller {
    let outbound = mesh.status().workload("productpage").outbound.clone();
    Caller::through(&outbound.unwrap_or_default()).await
}

#[tokio::test]
async fn a_user_stays_with_one_of_three_reviews() {
    let mesh = Setup::bookinfo().up();
    let mut caller = caller(&mesh).await;
    for table in [
        "ringHash: {minimumRingSize: 1024}",
        "maglev: {tableSize: 65537}",
    ] {
        mesh.apply(&known_by(&format!("httpHeaderName: end-user, {table}")));
        let mut all = BTreeSet::new();
        for user in 0..40 {
            let user = format!("user-{user}");
            let mut own = BTreeSet::new();
            for _ in 0..4 {
                let (status, body) = caller.answer(REVIEWS, &[("end-user", &user)]).await;
                assert_eq!(status, 200, "{body}");
                own.insert(stars(&body));
            }
            assert_eq!(own.len(), 1, "{user} saw {own:?} with {table}");
            all.extend(own);
        }
        assert_eq!(all.len(), 3, "40 users saw {all:?} with {table}");
    }
}

#[tokio::test]
async fn a_client_is_given_a_cookie_that_brings_it_back() {
    let mesh = Setup::bookinfo().up();
    let mut caller = caller(&mesh).await;
    mesh.apply(&known_by("httpCookie: {name: visit, path: /, ttl: 600s}"));
    let first = caller.get(REVIEWS, &[]).await.unwrap();
    let line = first
        .headers()
        .get("set-cookie")
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned();
    assert!(line.starts_with("visit=\""), "{line}");
    assert!(line.ends_with("; Max-Age=600; Path=/; HttpOnly"), "{line}");
    let cookie = line.split(';').next().unwrap();
    let seen = stars(&String::from_utf8_lossy(first.body()));
    for _ in 0..20 {
        let again = caller.get(REVIEWS, &[("cookie", cookie)]).await.unwrap();
        assert_eq!(again.headers().get("set-cookie"), None);
        assert_eq!(stars(&String::from_utf8_lossy(again.body())), seen);
    }
}
