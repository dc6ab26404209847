//! Who gets a certificate, and who does not.

use tonic::Code;

use super::house::{House, request};

async fn check(house: &House, authorization: Option<&str>, want: Result<(), Code>) {
    let got = house.ask(authorization, request()).await;
    let got = got.map(|_| ()).map_err(|status| status.code());
    assert_eq!(got, want, "{authorization:?}");
}

#[tokio::test]
async fn only_an_accepted_token_is_believed() {
    let house = House::open().await;
    let token = house.admit("reviews");
    check(&house, Some(&format!("Bearer {token}")), Ok(())).await;
    check(&house, Some(&format!("bearer {token}")), Ok(())).await;
    let refused = Err(Code::Unauthenticated);
    check(&house, None, refused).await;
    check(&house, Some(&token), refused).await;
    check(&house, Some(&format!("Basic {token}")), refused).await;
    check(&house, Some("Bearer "), refused).await;
    check(&house, Some("Bearer wrong"), refused).await;
    let longer = format!("Bearer {token}0");
    check(&house, Some(&longer), refused).await;
}

#[tokio::test]
async fn a_token_is_accepted_as_soon_as_its_file_is_there() {
    let house = House::open().await;
    for n in 0..20 {
        let token = house.admit(&format!("reviews-{n}"));
        check(&house, Some(&format!("Bearer {token}")), Ok(())).await;
    }
}

#[tokio::test]
async fn a_revoked_token_is_refused() {
    let house = House::open().await;
    let token = format!("Bearer {}", house.admit("reviews"));
    let other = format!("Bearer {}", house.admit("ratings"));
    check(&house, Some(&token), Ok(())).await;
    house.revoke("reviews");
    mesh_test::eventually_async("the token is refused", || async {
        match house.ask(Some(&token), request()).await {
            Err(status) if status.code() == Code::Unauthenticated => Ok(()),
            other => Err(other),
        }
    })
    .await;
    check(&house, Some(&other), Ok(())).await;
}

#[tokio::test]
async fn a_refused_caller_is_counted_and_learns_nothing() {
    let house = House::open().await;
    house.admit("reviews");
    let status = house
        .ask(Some("Bearer wrong"), request())
        .await
        .unwrap_err();
    assert_eq!(status.message(), "the token is not accepted");
    let page = house.metrics().await;
    for line in [
        "citadel_server_csr_count 1",
        "citadel_server_authentication_failure_count 1",
        "citadel_server_success_cert_issuance_count 0",
    ] {
        assert!(page.lines().any(|l| l == line), "{line} in {page}");
    }
}
