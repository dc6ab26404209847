//! What a person's tool asks, against the server of the test.

use super::api::SERVICES;
use super::*;
use crate::RequestError;

#[tokio::test]
async fn objects_are_read_and_applied_by_their_paths() {
    let api = Api::start().await;
    api.put(SERVICES, service("a", 80));
    let cluster = api.cluster();
    let listed = cluster.get(SERVICES).await.unwrap();
    assert_eq!(listed["items"][0]["metadata"]["name"], "a");
    let path = "/api/v1/namespaces/n/services/a";
    let wanted = service("a", 81);
    cluster.apply(path, "tool", &wanted).await.unwrap();
    let path = format!("{path}?fieldManager=tool&force=true");
    assert_eq!(api.patches(), [(path, wanted)]);
}

#[tokio::test]
async fn what_is_not_granted_says_why() {
    let api = Api::start().await;
    let cluster = api.cluster();
    let missing = cluster.get("/api/v1/nothing").await.unwrap_err();
    assert_eq!(missing, RequestError::Missing);
    api.refuse(SERVICES, "list", 403, "{}");
    let forbidden = cluster.get(SERVICES).await.unwrap_err();
    assert_eq!(forbidden, RequestError::Forbidden);
}
