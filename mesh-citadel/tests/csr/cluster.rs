//! Citadel in a cluster: tokens, the root that it keeps, the roots that it hands out.

use mesh_runtime::Tasks;
use mesh_test::api_server::{ApiServer, Place};
use serde_json::json;
use tonic::Code;

use super::house::{House, request};

const TOKEN: &str = "head.payload.signature";

async fn cluster() -> ApiServer {
    let server = ApiServer::start().await;
    server.namespace("istio-system");
    server.namespace("default");
    let user = json!({
        "username": "system:serviceaccount:default:reviews",
        "groups": ["system:serviceaccounts"],
    });
    let status = json!({"authenticated": true, "audiences": ["istio-ca"], "user": user});
    server.know_token(TOKEN, status);
    server
}

/// The roots as pods of a namespace get them.
async fn roots(server: &ApiServer) -> String {
    let place = Place::new("configmaps", "default", "istio-ca-root-cert");
    let entry = |server: &ApiServer| {
        let object = server.object(&place)?;
        Some(object["data"]["root-cert.pem"].as_str()?.to_owned())
    };
    server.until("the roots", entry).await
}

/// Gives them to who asks the house.
async fn take_roots(house: &House, server: &ApiServer) {
    std::fs::create_dir_all(house.path("ca")).unwrap();
    std::fs::write(house.path("ca/root-cert.pem"), roots(server).await).unwrap();
}

#[tokio::test]
async fn a_pod_gets_its_identity_with_what_the_cluster_gave_it() {
    let server = cluster().await;
    let house = House::in_cluster(&server).await;
    take_roots(&house, &server).await;
    std::fs::write(house.path("tokens/reviews.token"), TOKEN).unwrap();
    let tasks = Tasks::new(&prometheus::Registry::new());
    let (live, _status) = house.agent("reviews", &tasks).await;
    let want = house.settings("reviews").identity();
    assert_eq!(*live.current().spiffe_id(), want);
    // The same roots after a restart.
    let before = roots(&server).await;
    let mut house = house;
    house.stop().await;
    house.start().await;
    assert_eq!(roots(&server).await, before);
    let bearer = format!("Bearer {TOKEN}");
    house.ask(Some(&bearer), request()).await.unwrap();
}

#[tokio::test]
async fn each_answer_of_the_api_server_has_its_code() {
    let server = cluster().await;
    let house = House::in_cluster(&server).await;
    take_roots(&house, &server).await;
    let ask = async |token: &str| {
        let answer = house.ask(Some(&format!("Bearer {token}")), request()).await;
        answer.map(drop).map_err(|status| status.code())
    };
    assert_eq!(ask(TOKEN).await, Ok(()));
    assert_eq!(ask("not.a.token").await, Err(Code::Unauthenticated));
    // Tokens of files are not believed here, where nobody has said so.
    let token = house.admit("ratings");
    assert_eq!(ask(&token).await, Err(Code::Unauthenticated));
    server.refuse("POST", "/tokenreviews", 500);
    assert_eq!(ask(TOKEN).await, Err(Code::Unavailable));
    let metrics = house.metrics().await;
    for line in [
        "citadel_server_authentication_failure_count 2",
        "mesh_citadel_token_reviews_total{result=\"accepted\"} 1",
        "mesh_citadel_token_reviews_total{result=\"refused\"} 1",
        "mesh_citadel_token_reviews_total{result=\"unasked\"} 1",
        "mesh_citadel_token_reviews_total{result=\"failed\"} 1",
    ] {
        assert!(metrics.lines().any(|l| l == line), "{line} in {metrics}");
    }
}

#[tokio::test]
async fn tokens_of_files_and_of_a_cluster_are_believed_side_by_side() {
    let server = cluster().await;
    let house = House::with_both(&server).await;
    take_roots(&house, &server).await;
    let file = house.admit("ratings");
    for token in [TOKEN, &file] {
        let bearer = format!("Bearer {token}");
        house.ask(Some(&bearer), request()).await.unwrap();
    }
    // The API server is not needed for the one.
    server.die().await;
    let ask = async |token: &str| {
        let answer = house.ask(Some(&format!("Bearer {token}")), request()).await;
        answer.map(drop).map_err(|status| status.code())
    };
    assert_eq!(ask(&file).await, Ok(()));
    assert_eq!(ask(TOKEN).await, Err(Code::Unavailable));
}

#[tokio::test]
async fn it_is_not_ready_before_it_has_a_ca() {
    let mut server = cluster().await;
    server.die().await;
    let house = House::waiting_for(&server).await;
    let page = format!("http://{}/readyz", house.admin);
    mesh_test::eventually_async("it says what it waits for", || async {
        match mesh_test::client::get(&page, &[]).await {
            Ok(page) if page.status() == 503 => {
                let text = String::from_utf8_lossy(page.body()).into_owned();
                if text.contains("istio-ca-secret") {
                    Ok(())
                } else {
                    Err(text)
                }
            }
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    server.revive().await;
    house.ready().await;
}

#[tokio::test]
async fn it_ends_in_order_while_it_waits_for_a_ca() {
    let server = cluster().await;
    server.die().await;
    let house = House::waiting_for(&server).await;
    house.stop().await;
}
