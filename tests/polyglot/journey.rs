//! The four languages in a mesh: each behind its own sidecar.

use std::collections::BTreeMap;

use mesh_tests::mesh::samples;
use mesh_tests::{Caller, Setup, Stars, fetch, stars};

/// Pages of each visitor, and visitors at once.
const PAGES: u32 = 50;
const VISITORS: usize = 8;

#[tokio::test]
async fn pages_are_made_of_what_four_languages_say_and_routes_hold() {
    let mesh = Setup::default()
        .source(samples().join("bookinfo/polyglot"))
        .up();
    let page = format!("{}/productpage", mesh.status().ingress.http);
    let visit = async || {
        let mut seen = BTreeMap::new();
        for _ in 0..PAGES {
            let (status, body) = fetch(&page, &[]).await;
            assert_eq!(status, 200, "{body}");
            assert!(!body.contains("currently unavailable"), "{body}");
            assert!(
                body.contains("paperback") && body.contains("Reviewer2"),
                "{body}"
            );
            *seen.entry(stars(&body)).or_insert(0) += 1;
        }
        seen
    };
    let visits = futures_util::future::join_all((0..VISITORS).map(|_| visit())).await;
    let versions: usize = visits.iter().map(BTreeMap::len).max().unwrap_or(0);
    assert_eq!(versions, 3, "{visits:?}");

    mesh.apply_sample("virtual-service-reviews-test-v2.yaml");
    let jason = [("cookie", "session=jason")];
    for _ in 0..10 {
        let (_, body) = fetch(&page, &jason).await;
        assert_eq!(stars(&body), Stars::Black, "{body}");
        assert_eq!(stars(&fetch(&page, &[]).await.1), Stars::None);
    }

    // Java's client offers h2c with its calls of ratings; the sidecar goes on in HTTP/1.1.
    mesh.apply_sample("virtual-service-reviews-v3.yaml");
    let outbound = mesh.status().workload("productpage").outbound.clone();
    let mut caller = Caller::through(&outbound.unwrap()).await;
    for _ in 0..PAGES {
        let (status, body) = caller.answer("http://reviews:9080/reviews/0", &[]).await;
        assert_eq!((status, stars(&body)), (200, Stars::Red), "{body}");
    }
}
