//! Services that requests wait for, played by tonic.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mesh_proto::any::pack;
use mesh_proto::envoy::envoy::config::core::v3 as core;
use mesh_proto::envoy::envoy::config::ratelimit::v3::RateLimitServiceConfig;
use mesh_proto::envoy::envoy::config::route::v3::RateLimit as Described;
use mesh_proto::envoy::envoy::config::route::v3::rate_limit::Action;
use mesh_proto::envoy::envoy::config::route::v3::rate_limit::action::{
    ActionSpecifier, RequestHeaders,
};
use mesh_proto::envoy::envoy::extensions::filters::http::ratelimit::v3::RateLimit;
use mesh_proto::envoy::envoy::service::ratelimit::v3::rate_limit_response::Code;
use mesh_proto::envoy::envoy::service::ratelimit::v3::rate_limit_service_server::{
    RateLimitService, RateLimitServiceServer,
};
use mesh_proto::envoy::envoy::service::ratelimit::v3::{RateLimitRequest, RateLimitResponse};
use mesh_proto::envoy::google::protobuf as wkt;
use mesh_runtime::Tasks;
use mesh_test::client::{Client, Http, get};
use mesh_test::eventually_async;
use mesh_test::origin::Origin;
use mesh_traffic::Cluster;
use mesh_traffic::cluster::UpstreamProtocol;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

use crate::testing::{
    Mk, Proxy, action_of, free_address, mk_cluster, mk_config, table, to_cluster,
};

const USER: &str = "x-user";

/// Lets everybody through but one, and answers a third only when it is told to.
#[derive(Clone)]
struct Counter {
    address: SocketAddr,
    arrived: Arc<AtomicUsize>,
    given_up: Arc<AtomicUsize>,
    answers: Arc<Semaphore>,
    tasks: Tasks,
}

/// Counts a call that is dropped before it was answered.
struct Unanswered(Option<Arc<AtomicUsize>>);

impl Drop for Unanswered {
    fn drop(&mut self) {
        if let Some(count) = &self.0 {
            count.fetch_add(1, Ordering::SeqCst);
        }
    }
}

#[tonic::async_trait]
impl RateLimitService for Counter {
    async fn should_rate_limit(
        &self,
        request: Request<RateLimitRequest>,
    ) -> Result<Response<RateLimitResponse>, Status> {
        self.arrived.fetch_add(1, Ordering::SeqCst);
        let mut unanswered = Unanswered(Some(self.given_up.clone()));
        let request = request.into_inner();
        assert_eq!(request.domain, "shop");
        let user = request.descriptors[0].entries[0].value.clone();
        if user == "slow" {
            self.answers.acquire().await.unwrap().forget();
        }
        unanswered.0 = None;
        let code = match user.as_str() {
            "broken" => return Err(Status::internal("no books")),
            "greedy" => Code::OverLimit,
            _ => Code::Ok,
        };
        let plan = core::HeaderValue {
            key: "x-plan".into(),
            value: "free".into(),
            ..Default::default()
        };
        Ok(Response::new(RateLimitResponse {
            overall_code: code.into(),
            request_headers_to_add: vec![plan],
            ..Default::default()
        }))
    }
}

impl Counter {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let counter = Self {
            address: listener.local_addr().unwrap(),
            arrived: Arc::default(),
            given_up: Arc::default(),
            answers: Arc::new(Semaphore::new(0)),
            tasks: Tasks::new(&prometheus::Registry::new()),
        };
        let server = Server::builder()
            .add_service(RateLimitServiceServer::new(counter.clone()))
            .serve_with_incoming(TcpListenerStream::new(listener));
        let stopping = counter.tasks.stopping().clone();
        counter.tasks.spawn("counter", async move {
            let _ended = stopping.run_until_cancelled(server).await;
        });
        counter
    }

    fn cluster(&self) -> Cluster {
        Cluster {
            protocol: UpstreamProtocol::Http2,
            ..mk_cluster("rls", &[self.address])
        }
    }

    async fn sees(&self, count: &AtomicUsize, wanted: usize) {
        eventually_async("calls at the service", || async {
            match count.load(Ordering::SeqCst) {
                seen if seen == wanted => Ok(()),
                seen => Err(seen),
            }
        })
        .await;
    }
}

fn filter(denies: bool, timeout: Duration) -> RateLimit {
    let envoy = core::grpc_service::EnvoyGrpc {
        cluster_name: "rls".into(),
        ..Default::default()
    };
    let grpc = core::GrpcService {
        target_specifier: Some(core::grpc_service::TargetSpecifier::EnvoyGrpc(envoy)),
        ..Default::default()
    };
    RateLimit {
        domain: "shop".into(),
        rate_limit_service: Some(RateLimitServiceConfig {
            grpc_service: Some(grpc),
            transport_api_version: 2,
        }),
        failure_mode_deny: denies,
        timeout: Some(wkt::Duration {
            seconds: i64::try_from(timeout.as_secs()).unwrap(),
            nanos: i32::try_from(timeout.subsec_nanos()).unwrap(),
        }),
        ..Default::default()
    }
}

/// A proxy in front of an application, which asks that service about users.
fn proxy(filter: &RateLimit, app: SocketAddr, service: Cluster) -> (Proxy, String) {
    let at = free_address();
    let mut route = to_cluster("app");
    action_of(&mut route).rate_limits = vec![Described {
        actions: vec![Action {
            action_specifier: Some(ActionSpecifier::RequestHeaders(RequestHeaders {
                header_name: USER.into(),
                descriptor_key: "user".into(),
                skip_if_absent: false,
            })),
        }],
        ..Default::default()
    }];
    let listener = Mk {
        routes: Some(table("t", vec![route])),
        filters: vec![("envoy.filters.http.ratelimit", pack(filter))],
        ..Mk::default()
    };
    let clusters = vec![mk_cluster("app", &[app]), service];
    let config = mk_config(vec![listener.listener(at)], Vec::new(), clusters);
    (Proxy::alone(config), format!("http://{at}/"))
}

const PATIENT: Duration = Duration::from_secs(60);

async fn status(uri: &str, user: &str) -> u16 {
    get(uri, &[(USER, user)]).await.unwrap().status().as_u16()
}

#[tokio::test]
async fn the_service_says_who_passes() {
    let (origin, counter) = (Origin::fixed("ok").await, Counter::start().await);
    let (_proxy, uri) = proxy(&filter(true, PATIENT), origin.address(), counter.cluster());
    assert_eq!(status(&uri, "modest").await, 200);
    let refused = get(&uri, &[(USER, "greedy")]).await.unwrap();
    assert_eq!(refused.status().as_u16(), 429);
    assert_eq!(refused.headers()["x-envoy-ratelimited"], "true");
    assert_eq!(status(&uri, "broken").await, 500);
    // Who has nothing to be described by is nobody's business.
    assert_eq!(get(&uri, &[]).await.unwrap().status().as_u16(), 200);
    assert_eq!(counter.arrived.load(Ordering::SeqCst), 3);
    assert_eq!(origin.requests(), 2);
}

#[tokio::test]
async fn bodies_wait_until_the_service_has_answered() {
    let (origin, counter) = (Origin::fixed("ok").await, Counter::start().await);
    let (_proxy, uri) = proxy(&filter(true, PATIENT), origin.address(), counter.cluster());
    for http in [Http::One, Http::Two] {
        counter.answers.add_permits(1);
        let to = uri.trim_start_matches("http://").trim_end_matches('/');
        let mut client = Client::plain(to.parse().unwrap(), http).await.unwrap();
        let body = vec![b'x'; 300_000];
        let answer = client.post(&uri, &[(USER, "slow")], body).await.unwrap();
        assert_eq!(answer.status().as_u16(), 200, "{http:?}");
    }
}

#[tokio::test]
async fn a_service_that_is_not_there_lets_pass_or_not_as_it_is_wanted() {
    let origin = Origin::fixed("ok").await;
    let nobody = || Cluster {
        protocol: UpstreamProtocol::Http2,
        ..mk_cluster("rls", &[free_address()])
    };
    let (_open, uri) = proxy(&filter(false, PATIENT), origin.address(), nobody());
    assert_eq!(status(&uri, "modest").await, 200);
    let (_strict, uri) = proxy(&filter(true, PATIENT), origin.address(), nobody());
    assert_eq!(status(&uri, "modest").await, 500);
    let (_lost, uri) = proxy(
        &filter(true, PATIENT),
        origin.address(),
        mk_cluster("other", &[]),
    );
    assert_eq!(status(&uri, "modest").await, 500);
}

#[tokio::test]
async fn a_service_that_is_slow_is_not_waited_for() {
    let (origin, counter) = (Origin::fixed("ok").await, Counter::start().await);
    let hurried = filter(true, Duration::from_millis(50));
    let (_proxy, uri) = proxy(&hurried, origin.address(), counter.cluster());
    assert_eq!(status(&uri, "slow").await, 500);
    counter.sees(&counter.given_up, 1).await;
}

#[tokio::test]
async fn nobody_is_asked_about_a_client_that_is_gone() {
    let (origin, counter) = (Origin::fixed("ok").await, Counter::start().await);
    let (_proxy, uri) = proxy(&filter(true, PATIENT), origin.address(), counter.cluster());
    let request = status(&uri, "slow");
    tokio::select! {
        status = request => panic!("answered {status}"),
        () = counter.sees(&counter.arrived, 1) => {}
    }
    // Dropped with its connection.
    counter.sees(&counter.given_up, 1).await;
    assert_eq!(origin.requests(), 0);
    assert_eq!(status(&uri, "modest").await, 200);
}
