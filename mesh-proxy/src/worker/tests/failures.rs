//! What clients see when upstreams fail.

use std::net::SocketAddr;
use std::time::Duration;

use mesh_proto::envoy::google::protobuf as wkt;
use mesh_test::client::{Client, Http, get};
use mesh_test::eventually::{DEADLINE, eventually_async};
use mesh_test::origin::Origin;
use mesh_traffic::Listener;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;

use super::raw::{Act, exchange, origin};
use super::stream::grpc_call;
use crate::testing::{
    Mk, Proxy, action_of, free_address, mk_cluster, mk_config, table, to_cluster,
};

async fn through(
    acts: &'static [Act],
    timeout: Option<i32>,
) -> (Proxy, String, mesh_runtime::Tasks) {
    let (upstream, tasks) = origin(acts).await;
    let mut route = to_cluster("app");
    action_of(&mut route).retry_policy = None;
    action_of(&mut route).timeout = timeout.map(|millis| wkt::Duration {
        seconds: 0,
        nanos: millis * 1_000_000,
    });
    if timeout.is_none() {
        action_of(&mut route).timeout = Some(wkt::Duration::default());
    }
    let address = free_address();
    let listener = Mk {
        routes: Some(table("t", vec![route])),
        ..Mk::default()
    }
    .listener(address);
    let config = mk_config(
        vec![listener],
        Vec::new(),
        vec![mk_cluster("app", &[upstream])],
    );
    (
        Proxy::start(config, None),
        format!("http://{address}/"),
        tasks,
    )
}

fn address_of(uri: &str) -> SocketAddr {
    let authority = uri.strip_prefix("http://").unwrap().trim_end_matches('/');
    authority.parse().unwrap()
}

#[tokio::test]
async fn a_kept_connection_that_closes_costs_no_request() {
    let (_proxy, uri, _origin) = through(&[Act::CloseOnSecond], None).await;
    let mut client = Client::plain(address_of(&uri), Http::One).await.unwrap();
    for _ in 0..20 {
        assert_eq!(client.get(&uri, &[]).await.unwrap().status(), 200);
    }
}

#[tokio::test]
async fn an_application_that_hangs_up_is_a_503() {
    let (_proxy, uri, _origin) = through(&[Act::CloseUnanswered], None).await;
    let answer = get(&uri, &[]).await.unwrap();
    assert_eq!(answer.status(), 503);
    let body = String::from_utf8_lossy(answer.body()).into_owned();
    assert!(
        body.contains("reset reason: connection termination"),
        "{body}"
    );
}

/// Writing fails before the kernel tells of the answer: it is there all the same.
#[tokio::test]
async fn an_answer_before_the_end_of_the_request_is_heard() {
    let (_proxy, uri, _origin) = through(&[Act::Refuse], None).await;
    let mut client = Client::plain(address_of(&uri), Http::Two).await.unwrap();
    for _ in 0..40 {
        let answer = client.post(&uri, &[], vec![b'x'; 4_000_000]).await.unwrap();
        assert_eq!(answer.status(), 413);
    }
}

/// The application is long gone when the client, with a window of 1,000 bytes, has taken the rest.
#[tokio::test]
async fn an_application_that_closes_after_its_answer_costs_none_of_it() {
    let (_proxy, uri, _origin) = through(&[Act::AnswerAndClose], None).await;
    let stream = TcpStream::connect(address_of(&uri)).await.unwrap();
    let mut builder = h2::client::Builder::new();
    let (mut client, connection) = builder
        .initial_window_size(1000)
        .handshake::<_, bytes::Bytes>(stream)
        .await
        .unwrap();
    let tasks = mesh_runtime::Tasks::new(&prometheus::Registry::new());
    tasks.spawn("client", async move {
        let _ended = connection.await;
    });
    let request = http::Request::get(&uri).body(()).unwrap();
    let (answer, _) = client.send_request(request, true).unwrap();
    let mut body = answer.await.unwrap().into_body();
    let mut length = 0;
    while let Some(part) = body.data().await {
        let part = part.unwrap().len();
        body.flow_control().release_capacity(part).unwrap();
        length += part;
    }
    assert_eq!(length, 40_000);
}

#[tokio::test]
async fn a_route_that_takes_too_long_is_a_504() {
    let (_proxy, uri, _origin) = through(&[Act::Silent], Some(50)).await;
    let answer = get(&uri, &[]).await.unwrap();
    assert_eq!(answer.status(), 504);
    assert_eq!(answer.body().as_ref(), b"upstream request timeout");
}

/// The deadline of a gRPC client runs out here and there at the same time, whoever tells it first.
#[tokio::test]
async fn a_grpc_call_whose_time_is_over_ends_with_a_status_of_its_own() {
    let (_proxy, uri, _origin) = through(&[Act::Begin], Some(50)).await;
    assert_eq!(
        grpc_call(address_of(&uri)).await,
        (200, Some("4".to_owned()))
    );
}

#[tokio::test]
async fn half_an_answer_is_never_passed_on_as_a_whole_one() {
    let (_proxy, uri, _origin) = through(&[Act::Half], None).await;
    assert!(get(&uri, &[]).await.is_err());
}

#[tokio::test]
async fn a_dead_endpoint_is_passed_by() {
    let app = Origin::fixed("ok").await;
    let address = free_address();
    let listener = Mk {
        routes: Some(table("t", vec![to_cluster("app")])),
        ..Mk::default()
    }
    .listener(address);
    let cluster = mk_cluster("app", &[free_address(), app.address()]);
    let _proxy = Proxy::start(mk_config(vec![listener], Vec::new(), vec![cluster]), None);
    for _ in 0..10 {
        assert_eq!(
            get(&format!("http://{address}/"), &[])
                .await
                .unwrap()
                .status(),
            200
        );
    }
}

/// A socket whose queue is full: whoever calls gets no answer at all.
async fn silent() -> (TcpListener, Vec<TcpStream>) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut queue = Vec::new();
    let soon = Duration::from_millis(200);
    while let Ok(Ok(client)) = timeout(soon, TcpStream::connect(address)).await {
        queue.push(client);
    }
    (listener, queue)
}

/// Whoever is taken away while it is called, and does not answer, is waited for no longer.
#[tokio::test]
async fn an_endpoint_that_is_taken_away_while_it_is_called_is_passed_by() {
    let (silent, _queue) = silent().await;
    let gone = silent.local_addr().unwrap();
    let app = Origin::fixed("ok").await;
    let listen_for_requests = |address| {
        let routes = Some(table("t", vec![to_cluster("app")]));
        let mk = Mk {
            routes,
            ..Mk::default()
        };
        mk.listener(address)
    };
    let listen_for_bytes = |address| Mk::default().tcp_listener(address, "app");
    let listeners: [&dyn Fn(SocketAddr) -> Listener; 2] = [&listen_for_requests, &listen_for_bytes];
    for listener in listeners {
        let address = free_address();
        let config = |endpoint: SocketAddr| {
            let mut cluster = mk_cluster("app", &[endpoint]);
            cluster.connect_timeout = 10 * DEADLINE;
            mk_config(vec![listener(address)], Vec::new(), vec![cluster])
        };
        let mut proxy = Proxy::start(config(gone), None);
        let url = format!("http://{address}/");
        let ask = async {
            let asked = timeout(DEADLINE, get(&url, &[])).await;
            asked.expect("not to wait").unwrap().status()
        };
        let take_away = async {
            // The call is under way when the endpoint goes.
            eventually_async("a call", || async {
                let calls = std::fs::read_to_string("/proc/self/net/tcp").unwrap();
                let to = format!(":{:04X} 02 ", gone.port());
                calls.contains(&to).then_some(()).ok_or(calls)
            })
            .await;
            proxy.apply(config(app.address()));
        };
        let (status, ()) = tokio::join!(ask, take_away);
        assert_eq!(status, 200);
    }
}

#[tokio::test]
async fn a_refused_connection_is_a_503_that_says_so() {
    let address = free_address();
    let listener = Mk {
        routes: Some(table("t", vec![to_cluster("app")])),
        ..Mk::default()
    }
    .listener(address);
    let cluster = mk_cluster("app", &[free_address()]);
    let _proxy = Proxy::start(mk_config(vec![listener], Vec::new(), vec![cluster]), None);
    let answer = get(&format!("http://{address}/"), &[]).await.unwrap();
    assert_eq!(answer.status(), 503);
    let body = String::from_utf8_lossy(answer.body()).into_owned();
    assert!(
        body.contains("connection failure") && body.contains("refused"),
        "{body}"
    );
}

#[tokio::test]
async fn http_1_0_is_told_to_upgrade() {
    let (_proxy, uri, _origin) = through(&[Act::Answer], None).await;
    let address = address_of(&uri);
    let answer = exchange(address, b"GET / HTTP/1.0\r\nhost: a\r\n\r\n").await;
    assert!(
        answer.starts_with("HTTP/1.0 426") || answer.starts_with("HTTP/1.1 426"),
        "{answer}"
    );
}

#[tokio::test]
async fn two_hosts_are_refused() {
    let (_proxy, uri, _origin) = through(&[Act::Answer], None).await;
    let address = address_of(&uri);
    let bytes = b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\nconnection: close\r\n\r\n";
    let answer = exchange(address, bytes).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
}

#[tokio::test]
async fn a_trailer_section_beyond_every_limit_is_not_waited_for() {
    let (_proxy, uri, _origin) = through(&[Act::Answer], None).await;
    let head = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
    let bytes = format!("{head}0\r\nx-a: {}\r\n\r\n", "b".repeat(64 * 1024));
    // Reads to the end of the connection: there is one.
    let answer = exchange(address_of(&uri), bytes.as_bytes()).await;
    assert!(!answer.contains("100 Continue"), "{answer}");
}

#[tokio::test]
async fn an_absolute_target_names_the_host() {
    let app = Origin::start(|request| {
        let host = request.headers()["host"].as_bytes().to_vec();
        http::Response::new(host.into())
    })
    .await;
    let address = free_address();
    let listener = Mk {
        routes: Some(table("t", vec![to_cluster("app")])),
        ..Mk::default()
    }
    .listener(address);
    let cluster = mk_cluster("app", &[app.address()]);
    let _proxy = Proxy::start(mk_config(vec![listener], Vec::new(), vec![cluster]), None);
    let bytes = b"GET http://reviews:9080/x HTTP/1.1\r\nhost: other\r\nconnection: close\r\n\r\n";
    let answer = exchange(address, bytes).await;
    assert!(answer.ends_with("reviews:9080"), "{answer}");
}

#[tokio::test]
async fn half_a_head_is_not_waited_for_and_an_idle_connection_is() {
    let (upstream, _origin) = origin(&[Act::Answer]).await;
    let address = free_address();
    let listener = Mk {
        routes: Some(table("t", vec![to_cluster("app")])),
        head_millis: 100,
        ..Mk::default()
    };
    let config = mk_config(
        vec![listener.listener(address)],
        Vec::new(),
        vec![mk_cluster("app", &[upstream])],
    );
    let _proxy = Proxy::start(config, None);
    let uri = format!("http://{address}/");
    let mut idle = Client::plain(address, Http::One).await.unwrap();
    assert_eq!(idle.get(&uri, &[]).await.unwrap().status(), 200);
    // Reads to the end of the connection.
    let answer = exchange(address, b"GET / HTTP/1.1\r\nhost: a\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
    assert_eq!(idle.get(&uri, &[]).await.unwrap().status(), 200);
}
