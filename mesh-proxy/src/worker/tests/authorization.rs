//! Services that say who passes: one of gRPC, played by tonic, and one of plain HTTP.

mod bodies;
mod http;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use hyper::{Request as HttpRequest, Response as HttpResponse};
use mesh_proto::Any;
use mesh_proto::any::pack;
use mesh_proto::envoy::envoy::config::core::v3 as core;
use mesh_proto::envoy::envoy::config::route::v3::Route;
use mesh_proto::envoy::envoy::extensions::filters::http::ext_authz::v3 as pb;
use mesh_proto::envoy::envoy::service::auth::v3 as auth;
use mesh_proto::envoy::envoy::service::auth::v3::authorization_server::{
    Authorization, AuthorizationServer,
};
use mesh_proto::envoy::envoy::service::auth::v3::check_response::HttpResponse as Says;
use mesh_proto::envoy::envoy::r#type::v3::HttpStatus;
use mesh_proto::envoy::google::protobuf as wkt;
use mesh_proto::envoy::google::rpc;
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

use crate::testing::{Mk, Proxy, free_address, mk_cluster, mk_config, table, to_cluster};

const FILTER: &str = "envoy.filters.http.ext_authz";
const USER: &str = "x-user";
const PATIENT: Duration = Duration::from_secs(60);

/// Lets everybody through but one, and answers a third only when it is told to.
#[derive(Clone)]
struct Guard {
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
impl Authorization for Guard {
    async fn check(
        &self,
        request: Request<auth::CheckRequest>,
    ) -> Result<Response<auth::CheckResponse>, Status> {
        self.arrived.fetch_add(1, Ordering::SeqCst);
        let mut unanswered = Unanswered(Some(self.given_up.clone()));
        let attributes = request.into_inner().attributes.unwrap();
        let (source, destination) = (attributes.source.unwrap(), attributes.destination.unwrap());
        assert!(source.address.is_some() && destination.address.is_some());
        let http = attributes.request.unwrap().http.unwrap();
        let user = http.headers.get(USER).cloned().unwrap_or_default();
        if user == "slow" {
            self.answers.acquire().await.unwrap().forget();
        }
        unanswered.0 = None;
        Ok(Response::new(match user.as_str() {
            "broken" => return Err(Status::internal("no books")),
            "mallory" => denies(),
            "peer" => allows(&format!(
                "{} {} {} {}",
                source.principal,
                destination.principal,
                attributes.tls_session.unwrap().sni,
                source.certificate
            )),
            _ => allows(&format!("{}{}", http.body.len(), http.raw_body.len())),
        }))
    }
}

fn put(name: &str, value: &str) -> core::HeaderValueOption {
    core::HeaderValueOption {
        header: Some(core::HeaderValue {
            key: name.into(),
            value: value.into(),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn allows(seen: &str) -> auth::CheckResponse {
    let ok = auth::OkHttpResponse {
        headers: vec![put("x-id", "7"), put("x-seen", seen)],
        headers_to_remove: vec!["authorization".into()],
        response_headers_to_add: vec![put("set-cookie", "session=7")],
        query_parameters_to_remove: vec!["token".into()],
        ..Default::default()
    };
    auth::CheckResponse {
        http_response: Some(Says::OkResponse(ok)),
        ..Default::default()
    }
}

fn denies() -> auth::CheckResponse {
    let denied = auth::DeniedHttpResponse {
        status: Some(HttpStatus { code: 401 }),
        headers: vec![put("www-authenticate", "Basic")],
        body: "who?".into(),
    };
    auth::CheckResponse {
        status: Some(rpc::Status {
            code: 16,
            ..Default::default()
        }),
        http_response: Some(Says::DeniedResponse(denied)),
        ..Default::default()
    }
}

impl Guard {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let guard = Self {
            address: listener.local_addr().unwrap(),
            arrived: Arc::default(),
            given_up: Arc::default(),
            answers: Arc::new(Semaphore::new(0)),
            tasks: Tasks::new(&prometheus::Registry::new()),
        };
        let server = Server::builder()
            .add_service(AuthorizationServer::new(guard.clone()))
            .serve_with_incoming(TcpListenerStream::new(listener));
        let stopping = guard.tasks.stopping().clone();
        guard.tasks.spawn("guard", async move {
            let _ended = stopping.run_until_cancelled(server).await;
        });
        guard
    }

    fn cluster(&self) -> Cluster {
        Cluster {
            protocol: UpstreamProtocol::Http2,
            ..mk_cluster("authz", &[self.address])
        }
    }

    fn asked(&self) -> usize {
        self.arrived.load(Ordering::SeqCst)
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

fn duration(timeout: Duration) -> wkt::Duration {
    wkt::Duration {
        seconds: i64::try_from(timeout.as_secs()).unwrap(),
        nanos: i32::try_from(timeout.subsec_nanos()).unwrap(),
    }
}

fn filter(timeout: Duration) -> pb::ExtAuthz {
    let envoy = core::grpc_service::EnvoyGrpc {
        cluster_name: "authz".into(),
        ..Default::default()
    };
    let grpc = core::GrpcService {
        target_specifier: Some(core::grpc_service::TargetSpecifier::EnvoyGrpc(envoy)),
        timeout: Some(duration(timeout)),
        ..Default::default()
    };
    pb::ExtAuthz {
        services: Some(pb::ext_authz::Services::GrpcService(grpc)),
        transport_api_version: 2,
        ..Default::default()
    }
}

fn with_body(most: u32, allows_part: bool) -> pb::ExtAuthz {
    pb::ExtAuthz {
        with_request_body: Some(pb::BufferSettings {
            max_request_bytes: most,
            allow_partial_message: allows_part,
            pack_as_bytes: false,
        }),
        ..filter(PATIENT)
    }
}

/// An application that says what it has got.
async fn mirror() -> Origin {
    Origin::start(|request: HttpRequest<Bytes>| {
        let field = |name: &str| {
            let value = request.headers().get(name);
            value.map_or("-", |value| value.to_str().unwrap())
        };
        let names = ["x-id", "x-seen", "authorization", "x-reason"];
        let said = names.map(field).join(",");
        let said = format!("{} {said} {}", request.uri(), request.body().len());
        HttpResponse::new(said.into())
    })
    .await
}

/// A proxy in front of an application, whose requests that service has to allow.
fn proxy(filter: &pb::ExtAuthz, app: SocketAddr, service: Cluster) -> (Proxy, String) {
    proxy_to(filter, vec![to_cluster("app")], app, service)
}

fn proxy_to(
    filter: &pb::ExtAuthz,
    routes: Vec<Route>,
    app: SocketAddr,
    service: Cluster,
) -> (Proxy, String) {
    let at = free_address();
    let listener = Mk {
        routes: Some(table("t", routes)),
        filters: vec![(FILTER, pack(filter))],
        ..Mk::default()
    };
    let clusters = vec![mk_cluster("app", &[app]), service];
    let config = mk_config(vec![listener.listener(at)], Vec::new(), clusters);
    (Proxy::alone(config), format!("http://{at}/"))
}

fn of_route(route: &mut Route, any: Any) {
    route.typed_per_filter_config = [(FILTER.to_owned(), any)].into();
}

async fn status(uri: &str, user: &str) -> u16 {
    get(uri, &[(USER, user)]).await.unwrap().status().as_u16()
}

fn text(answer: &HttpResponse<Bytes>) -> String {
    String::from_utf8(answer.body().to_vec()).unwrap()
}

async fn connect(uri: &str, http: Http) -> Client {
    let to = uri.trim_start_matches("http://").trim_end_matches('/');
    Client::plain(to.parse().unwrap(), http).await.unwrap()
}

#[tokio::test]
async fn the_service_says_who_passes() {
    let (app, guard) = (mirror().await, Guard::start().await);
    let (_proxy, uri) = proxy(&filter(PATIENT), app.address(), guard.cluster());
    let fields = [(USER, "alice"), ("authorization", "secret")];
    let passed = get(&format!("{uri}x?token=1&q=2"), &fields).await.unwrap();
    assert_eq!(passed.status().as_u16(), 200);
    assert_eq!(passed.headers()["set-cookie"], "session=7");
    assert_eq!(text(&passed), "/x?q=2 7,00,-,- 0");
    let denied = get(&uri, &[(USER, "mallory")]).await.unwrap();
    assert_eq!(denied.status().as_u16(), 401);
    assert_eq!(denied.headers()["www-authenticate"], "Basic");
    assert_eq!(text(&denied), "who?");
    let unknown = get(&uri, &[(USER, "broken")]).await.unwrap();
    assert_eq!(unknown.status().as_u16(), 403);
    assert_eq!((guard.asked(), app.requests()), (3, 1));
}

#[tokio::test]
async fn the_service_sees_bodies() {
    const LONG: usize = 1_000_000;
    let (app, guard) = (mirror().await, Guard::start().await);
    let whole = with_body(2_000_000, false);
    let (_whole, whole) = proxy(&whole, app.address(), guard.cluster());
    let (_part, part) = proxy(&with_body(1000, true), app.address(), guard.cluster());
    for http in [Http::One, Http::Two] {
        for (uri, seen) in [(&whole, LONG), (&part, 1000)] {
            let mut client = connect(uri, http).await;
            let answer = client.post(uri, &[], vec![b'x'; LONG]).await.unwrap();
            assert_eq!(answer.status().as_u16(), 200, "{http:?}");
            let said = text(&answer);
            let expected = format!("7,{seen}0,-,- {LONG}");
            assert!(said.ends_with(&expected), "{http:?}: {said}");
        }
    }
    // What has no body waits for none.
    assert_eq!(get(&whole, &[]).await.unwrap().status().as_u16(), 200);
}

#[tokio::test]
async fn a_body_that_is_too_long_is_refused() {
    let (app, guard) = (mirror().await, Guard::start().await);
    let filter = with_body(1000, false);
    let (_proxy, uri) = proxy(&filter, app.address(), guard.cluster());
    for http in [Http::One, Http::Two] {
        let mut client = connect(&uri, http).await;
        let most = client.post(&uri, &[], vec![b'x'; 1000]).await.unwrap();
        assert_eq!(most.status().as_u16(), 200, "{http:?}");
        let more = client.post(&uri, &[], vec![b'x'; 1001]).await.unwrap();
        assert_eq!(more.status().as_u16(), 413, "{http:?}");
        assert_eq!(text(&more), "Payload Too Large");
    }
    assert_eq!((guard.asked(), app.requests()), (2, 2));
}

#[tokio::test]
async fn bodies_that_nobody_sees_wait_until_the_service_has_answered() {
    let (app, guard) = (mirror().await, Guard::start().await);
    let (_proxy, uri) = proxy(&filter(PATIENT), app.address(), guard.cluster());
    for http in [Http::One, Http::Two] {
        guard.answers.add_permits(1);
        let mut client = connect(&uri, http).await;
        let body = vec![b'x'; 300_000];
        let answer = client.post(&uri, &[(USER, "slow")], body).await.unwrap();
        assert_eq!(answer.status().as_u16(), 200, "{http:?}");
        assert!(text(&answer).ends_with("300000"), "{http:?}");
    }
}

#[tokio::test]
async fn nobody_passes_a_service_that_is_not_there_unless_that_is_wanted() {
    let app = mirror().await;
    let nobody = || Cluster {
        protocol: UpstreamProtocol::Http2,
        ..mk_cluster("authz", &[free_address()])
    };
    let strict = pb::ExtAuthz {
        status_on_error: Some(HttpStatus { code: 503 }),
        ..filter(PATIENT)
    };
    let (_strict, uri) = proxy(&strict, app.address(), nobody());
    assert_eq!(status(&uri, "alice").await, 503);
    let (_lost, uri) = proxy(&strict, app.address(), mk_cluster("other", &[]));
    assert_eq!(status(&uri, "alice").await, 503);
    assert_eq!(app.requests(), 0);
    let open = pb::ExtAuthz {
        failure_mode_allow: true,
        ..filter(PATIENT)
    };
    let (_open, uri) = proxy(&open, app.address(), nobody());
    assert_eq!(status(&uri, "alice").await, 200);
}

#[tokio::test]
async fn a_service_that_is_slow_is_not_waited_for() {
    let (app, guard) = (mirror().await, Guard::start().await);
    let hurried = filter(Duration::from_millis(50));
    let (_proxy, uri) = proxy(&hurried, app.address(), guard.cluster());
    assert_eq!(status(&uri, "slow").await, 403);
    guard.sees(&guard.given_up, 1).await;
}

#[tokio::test]
async fn nobody_is_asked_about_a_client_that_is_gone() {
    let (app, guard) = (mirror().await, Guard::start().await);
    let (_proxy, uri) = proxy(&filter(PATIENT), app.address(), guard.cluster());
    let request = status(&uri, "slow");
    tokio::select! {
        status = request => panic!("answered {status}"),
        () = guard.sees(&guard.arrived, 1) => {}
    }
    // Dropped with its connection.
    guard.sees(&guard.given_up, 1).await;
    assert_eq!(app.requests(), 0);
    assert_eq!(status(&uri, "alice").await, 200);
}

#[tokio::test]
async fn a_route_may_do_without_it_and_what_has_none_needs_no_leave() {
    let (app, guard) = (mirror().await, Guard::start().await);
    let mut open = to_cluster("app");
    of_route(
        &mut open,
        pack(&pb::ExtAuthzPerRoute {
            r#override: Some(pb::ext_authz_per_route::Override::Disabled(true)),
        }),
    );
    let (_proxy, uri) = proxy_to(&filter(PATIENT), vec![open], app.address(), guard.cluster());
    assert_eq!(status(&uri, "mallory").await, 200);
    assert_eq!(guard.asked(), 0);
    let (_proxy, uri) = proxy_to(&filter(PATIENT), Vec::new(), app.address(), guard.cluster());
    assert_eq!(status(&uri, "mallory").await, 404);
    assert_eq!(guard.asked(), 0);
}
