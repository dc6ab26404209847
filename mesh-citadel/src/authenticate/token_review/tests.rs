use std::net::Ipv4Addr;

use mesh_model::time::TestClock;
use mesh_test::api_server::ApiServer;
use mesh_test::clock;
use prometheus::Registry;
use serde_json::json;

use super::*;
use crate::metrics::Metrics;

const TOKEN: &str = "head.payload.signature";
const FROM: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));

/// Reviews by a server of the test, with a clock that is moved by hand.
struct Case {
    server: ApiServer,
    reviews: TokenReviews,
    clock: TestClock,
    metrics: ReviewMetrics,
}

impl Case {
    async fn new() -> Self {
        let server = ApiServer::start().await;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("kubeconfig");
        std::fs::write(&file, server.kubeconfig()).unwrap();
        let clock = clock::fixed();
        let metrics = Metrics::new(&Registry::new()).unwrap().reviews;
        let reviews = TokenReviews::new(
            Cluster::from_kubeconfig(&file).await.unwrap(),
            Accepted {
                audiences: vec!["istio-ca".to_owned()],
                trust_domain: TrustDomain::parse("cluster.local").unwrap(),
            },
            Arc::new(clock.clone()),
            metrics.clone(),
        );
        Self {
            server,
            reviews,
            clock,
            metrics,
        }
    }

    fn know(&self, token: &str) {
        let user = json!({
            "username": "system:serviceaccount:default:reviews",
            "groups": ["system:serviceaccounts"],
        });
        let status = json!({"authenticated": true, "audiences": ["istio-ca"], "user": user});
        self.server.know_token(token, status);
    }

    async fn ask(&self, token: &str) -> Result<String, Unknown> {
        let caller = self.reviews.authenticate(token, FROM).await?;
        Ok(caller.identity().to_string())
    }

    fn asked(&self) -> usize {
        self.server.count("POST ")
    }

    fn counted(&self, result: Reviewed) -> u64 {
        self.metrics.counted(result)
    }
}

#[tokio::test]
async fn an_accounts_token_is_its_identity_and_is_asked_about_each_time() {
    let case = Case::new().await;
    case.know(TOKEN);
    let identity = "spiffe://cluster.local/ns/default/sa/reviews";
    for asked in 1..=3 {
        assert_eq!(case.ask(TOKEN).await.unwrap(), identity);
        assert_eq!(case.asked(), asked);
    }
    assert_eq!(case.counted(Reviewed::Accepted), 3);
}

#[tokio::test]
async fn a_refusal_is_remembered_for_seconds_and_then_asked_about_again() {
    let case = Case::new().await;
    for _ in 0..3 {
        assert_eq!(case.ask(TOKEN).await, Err(Unknown::NotAccepted));
    }
    assert_eq!(case.asked(), 1);
    case.know(TOKEN);
    assert_eq!(case.ask(TOKEN).await, Err(Unknown::NotAccepted));
    case.clock.advance(Duration::from_secs(10));
    case.ask(TOKEN).await.unwrap();
    assert_eq!(case.counted(Reviewed::Refused), 1);
    assert_eq!(case.counted(Reviewed::Unasked), 3);
}

#[tokio::test]
async fn what_is_no_token_of_an_account_is_never_asked_about() {
    let case = Case::new().await;
    let long = format!("{}.a.b", "a".repeat(LONGEST));
    for token in ["", "a", "a.b", "a.b.c.d", "a..c", "a.b.c ", "a.b!.c", &long] {
        assert_eq!(case.ask(token).await, Err(Unknown::NotAccepted), "{token}");
    }
    assert_eq!(case.asked(), 0);
}

#[tokio::test]
async fn an_api_server_that_fails_refuses_nobody() {
    let mut case = Case::new().await;
    case.know(TOKEN);
    for code in [403, 429, 500] {
        case.server.refuse("POST", "/tokenreviews", code);
        assert_eq!(case.ask(TOKEN).await, Err(Unknown::Unchecked), "{code}");
    }
    case.server.refuse_nothing();
    case.server.die().await;
    assert_eq!(case.ask(TOKEN).await, Err(Unknown::Unchecked));
    case.server.revive().await;
    case.ask(TOKEN).await.unwrap();
    assert_eq!(case.counted(Reviewed::Failed), 4);
}

#[tokio::test]
async fn one_address_cannot_have_all_of_the_api_server() {
    let case = Case::new().await;
    case.know(TOKEN);
    let mut answers = 0;
    while case.ask(TOKEN).await.is_ok() {
        answers += 1;
    }
    assert_eq!(case.ask(TOKEN).await, Err(Unknown::TooMany));
    assert_eq!(case.asked(), answers);
    let other = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));
    case.reviews.authenticate(TOKEN, other).await.unwrap();
    case.clock.advance(Duration::from_secs(1));
    case.ask(TOKEN).await.unwrap();
    assert_eq!(case.counted(Reviewed::Limited), 2);
}

#[tokio::test]
async fn reviews_at_once_are_bounded() {
    let case = Case::new().await;
    case.know(TOKEN);
    let room = case.reviews.0.room.acquire_many(48).await.unwrap();
    assert_eq!(case.ask(TOKEN).await, Err(Unknown::TooMany));
    drop(room);
    case.ask(TOKEN).await.unwrap();
}

#[tokio::test]
async fn a_slow_api_server_is_waited_for_within_a_deadline() {
    let mut case = Case::new().await;
    case.know(TOKEN);
    let shared = Arc::get_mut(&mut case.reviews.0).unwrap();
    shared.deadline = Duration::from_millis(50);
    case.server.hold();
    assert_eq!(case.ask(TOKEN).await, Err(Unknown::Unchecked));
    case.server.release();
    let shared = Arc::get_mut(&mut case.reviews.0).unwrap();
    shared.deadline = DEADLINE;
    case.ask(TOKEN).await.unwrap();
}
