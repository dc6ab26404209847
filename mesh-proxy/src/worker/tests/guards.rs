//! Circuit breakers, bounds of connections, and endpoints that are put out because they fail.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use hyper::{Response, StatusCode};
use mesh_runtime::Tasks;
use mesh_test::client::{Client, Http, get};
use mesh_test::eventually_async;
use mesh_test::origin::Origin;
use mesh_traffic::Cluster;
use mesh_traffic::breaker::{Breaker, Resource};
use mesh_traffic::cluster::{Keepalive, Limits, Retries, UpstreamProtocol};
use mesh_traffic::outlier::{Detector, Rates, Rules, Streak};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::testing::{
    Mk, Proxy, action_of, free_address, mk_cluster, mk_config, table, to_cluster,
};

/// An origin of HTTP/1 that answers a request each time that it is told to.
struct Gate {
    address: SocketAddr,
    open: Arc<Semaphore>,
    arrived: Arc<AtomicUsize>,
    connections: Arc<AtomicUsize>,
    tasks: Tasks,
}

impl Gate {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gate = Self {
            address: listener.local_addr().unwrap(),
            open: Arc::new(Semaphore::new(0)),
            arrived: Arc::default(),
            connections: Arc::default(),
            tasks: Tasks::new(&prometheus::Registry::new()),
        };
        let (tasks, open) = (gate.tasks.clone(), gate.open.clone());
        let (arrived, connections) = (gate.arrived.clone(), gate.connections.clone());
        let stopping = tasks.stopping().clone();
        gate.tasks.spawn("gate", async move {
            let accept = async {
                while let Ok((stream, _)) = listener.accept().await {
                    connections.fetch_add(1, Ordering::SeqCst);
                    let answer = answers(stream, open.clone(), arrived.clone());
                    let stopping = tasks.stopping().clone();
                    tasks.spawn("gate connection", async move {
                        stopping.run_until_cancelled(answer).await;
                    });
                }
            };
            stopping.run_until_cancelled(accept).await;
        });
        gate
    }

    /// Lets so many more requests through.
    fn let_through(&self, count: usize) {
        self.open.add_permits(count);
    }

    /// Waits until so many requests have arrived.
    async fn has(&self, count: usize) {
        let arrived = &self.arrived;
        eventually_async("requests at the origin", || async move {
            match arrived.load(Ordering::SeqCst) {
                seen if seen == count => Ok(()),
                seen => Err(seen),
            }
        })
        .await;
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.tasks.stopping().cancel();
    }
}

async fn answers(mut stream: TcpStream, open: Arc<Semaphore>, arrived: Arc<AtomicUsize>) {
    let mut seen = Vec::new();
    let mut buffer = vec![0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        seen.extend_from_slice(&buffer[..read]);
        if !seen.ends_with(b"\r\n\r\n") {
            continue;
        }
        seen.clear();
        arrived.fetch_add(1, Ordering::SeqCst);
        open.acquire().await.unwrap().forget();
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        if stream.write_all(answer).await.is_err() {
            return;
        }
    }
}

/// A proxy in front of one cluster, whose route repeats nothing unless it is told so.
fn proxy(cluster: Cluster, retry_on: Option<&str>) -> (Proxy, String) {
    let address = free_address();
    let mut route = to_cluster("app");
    action_of(&mut route).retry_policy =
        retry_on.map(
            |on| mesh_proto::envoy::envoy::config::route::v3::RetryPolicy {
                retry_on: on.into(),
                num_retries: Some(mesh_proto::envoy::google::protobuf::UInt32Value { value: 1 }),
                ..Default::default()
            },
        );
    let listener = Mk {
        routes: Some(table("t", vec![route])),
        ..Mk::default()
    }
    .listener(address);
    let config = mk_config(vec![listener], Vec::new(), vec![cluster]);
    (Proxy::alone(config), format!("http://{address}/"))
}

fn bounded(at: SocketAddr, limits: Limits) -> (Cluster, Breaker) {
    let breaker = Breaker::new(limits).unwrap();
    let cluster = Cluster {
        breaker: Some(breaker.clone()),
        ..mk_cluster("app", &[at])
    };
    (cluster, breaker)
}

async fn status(uri: String) -> u16 {
    get(&uri, &[]).await.unwrap().status().as_u16()
}

/// Waits until the breaker counts so many.
async fn counts(breaker: &Breaker, resource: Resource, count: u32) {
    eventually_async("count of the breaker", || async move {
        match breaker.active(resource) {
            seen if seen == count => Ok(()),
            seen => Err(seen),
        }
    })
    .await;
}

#[tokio::test]
async fn more_requests_than_may_be_under_way_get_503_and_the_reason() {
    let gate = Gate::start().await;
    let limits = Limits {
        requests: 1,
        ..Limits::NONE
    };
    let (cluster, breaker) = bounded(gate.address, limits);
    let (_proxy, uri) = proxy(cluster, None);
    let refuse = async {
        gate.has(1).await;
        let refused = get(&uri, &[]).await.unwrap();
        assert_eq!(refused.status(), 503);
        assert_eq!(refused.headers()["x-envoy-overloaded"], "true");
        let body = String::from_utf8_lossy(refused.body());
        assert!(body.ends_with("reset reason: overflow"), "{body}");
        gate.let_through(2);
    };
    let (first, ()) = tokio::join!(status(uri.clone()), refuse);
    assert_eq!(first, 200);
    counts(&breaker, Resource::Requests, 0).await;
    assert_eq!(status(uri).await, 200);
    assert_eq!(breaker.overflows(Resource::Requests), 1);
    assert_eq!(gate.arrived.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn requests_wait_for_the_connections_that_there_may_be_and_no_more_than_may_wait() {
    let gate = Gate::start().await;
    let limits = Limits {
        connections: 1,
        pending: 1,
        ..Limits::NONE
    };
    let (cluster, breaker) = bounded(gate.address, limits);
    let (_proxy, uri) = proxy(cluster, None);
    let second = async {
        gate.has(1).await;
        counts(&breaker, Resource::Pending, 0).await;
        let third = async {
            counts(&breaker, Resource::Pending, 1).await;
            assert_eq!(status(uri.clone()).await, 503);
            gate.let_through(2);
        };
        let (second, ()) = tokio::join!(status(uri.clone()), third);
        second
    };
    let statuses = tokio::join!(status(uri.clone()), second);
    assert_eq!(statuses, (200, 200));
    assert_eq!(breaker.overflows(Resource::Pending), 1);
    assert_eq!(breaker.overflows(Resource::Connections), 1);
    assert_eq!(gate.connections(), 1);
    counts(&breaker, Resource::Requests, 0).await;
    assert_eq!(breaker.active(Resource::Connections), 1);
}

#[tokio::test]
async fn who_goes_away_while_waiting_waits_no_longer() {
    let gate = Gate::start().await;
    let limits = Limits {
        connections: 1,
        pending: 1,
        ..Limits::NONE
    };
    let (cluster, breaker) = bounded(gate.address, limits);
    let (_proxy, uri) = proxy(cluster, None);
    let others = async {
        gate.has(1).await;
        counts(&breaker, Resource::Pending, 0).await;
        tokio::select! {
            answered = status(uri.clone()) => panic!("answered {answered}"),
            () = counts(&breaker, Resource::Pending, 1) => {}
        }
        counts(&breaker, Resource::Pending, 0).await;
        let open = async {
            counts(&breaker, Resource::Pending, 1).await;
            gate.let_through(2);
        };
        tokio::join!(status(uri.clone()), open).0
    };
    let statuses = tokio::join!(status(uri.clone()), others);
    assert_eq!(statuses, (200, 200));
    gate.has(2).await;
}

#[tokio::test]
async fn when_the_only_connection_dies_those_who_wait_get_another() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let limits = Limits {
        connections: 1,
        ..Limits::NONE
    };
    let (cluster, breaker) = bounded(listener.local_addr().unwrap(), limits);
    let (_proxy, uri) = proxy(cluster, None);
    let others = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = vec![0; 4096];
        assert!(stream.read(&mut head).await.unwrap() > 0);
        counts(&breaker, Resource::Pending, 0).await;
        let upstream = async {
            counts(&breaker, Resource::Pending, 1).await;
            // Some of an answer, so that the first is not repeated.
            stream.write_all(b"HTTP/1.1 2").await.unwrap();
            drop(stream);
            let (mut stream, _) = listener.accept().await.unwrap();
            assert!(stream.read(&mut head).await.unwrap() > 0);
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(answer).await.unwrap();
        };
        tokio::join!(status(uri.clone()), upstream).0
    };
    let statuses = tokio::join!(status(uri.clone()), others);
    assert_eq!(statuses, (503, 200));
}

#[tokio::test]
async fn no_more_is_repeated_than_may_be() {
    let app = Origin::start(|_| {
        let mut answer = Response::new(Bytes::new());
        *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        answer
    })
    .await;
    let limits = Limits {
        retries: Retries::Most(0),
        ..Limits::NONE
    };
    let (cluster, breaker) = bounded(app.address(), limits);
    let (_proxy, uri) = proxy(cluster, Some("5xx"));
    assert_eq!(status(uri.clone()).await, 503);
    assert_eq!(
        (app.requests(), breaker.overflows(Resource::Retries)),
        (1, 1)
    );

    let limits = Limits {
        retries: Retries::Most(1),
        ..Limits::NONE
    };
    let (cluster, breaker) = bounded(app.address(), limits);
    let (_proxy, uri) = proxy(cluster, Some("5xx"));
    assert_eq!(status(uri).await, 503);
    assert_eq!(
        (app.requests(), breaker.overflows(Resource::Retries)),
        (3, 0)
    );
    counts(&breaker, Resource::Retries, 0).await;
}

#[tokio::test]
async fn a_connection_carries_no_more_requests_than_it_may() {
    for (protocol, connections) in [(UpstreamProtocol::Http1, 3), (UpstreamProtocol::Http2, 3)] {
        let app = Origin::fixed("ok").await;
        let cluster = Cluster {
            protocol,
            max_requests_per_connection: Some(2),
            ..mk_cluster("app", &[app.address()])
        };
        let (_proxy, uri) = proxy(cluster, None);
        let authority = uri.strip_prefix("http://").unwrap().trim_end_matches('/');
        let address = authority.parse().unwrap();
        let mut client = Client::plain(address, Http::One).await.unwrap();
        for _ in 0..6 {
            assert_eq!(client.get(&uri, &[]).await.unwrap().status(), 200);
        }
        // A connection may not be free again when the next request comes.
        assert!(app.connections() >= connections, "{}", app.connections());
        assert_eq!(app.requests(), 6);
    }
}

#[tokio::test]
async fn a_connection_is_not_used_for_longer_than_it_may() {
    let app = Origin::fixed("ok").await;
    let cluster = Cluster {
        max_connection_duration: Some(Duration::from_nanos(1)),
        ..mk_cluster("app", &[app.address()])
    };
    let (_proxy, uri) = proxy(cluster, None);
    for _ in 0..3 {
        assert_eq!(status(uri.clone()).await, 200);
    }
    assert_eq!(app.connections(), 3);
}

#[tokio::test]
async fn times_that_the_kernel_would_refuse_cost_no_connection() {
    let app = Origin::fixed("ok").await;
    for seconds in [0, 30, 86_400] {
        let time = Some(Duration::from_secs(seconds));
        let cluster = Cluster {
            keepalive: Some(Keepalive {
                time,
                interval: time,
                probes: u32::try_from(seconds).ok(),
            }),
            ..mk_cluster("app", &[app.address()])
        };
        let (_proxy, uri) = proxy(cluster, None);
        assert_eq!(status(uri).await, 200, "{seconds}");
    }
}

#[tokio::test]
async fn an_endpoint_that_fails_is_put_out() {
    let good = Origin::fixed("good").await;
    let bad = Origin::start(|_| {
        let mut answer = Response::new(Bytes::new());
        *answer.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        answer
    })
    .await;
    let detector = Detector::new(three_in_a_row());
    let cluster = Cluster {
        detector: Some(detector.clone()),
        ..mk_cluster("app", &[good.address(), bad.address()])
    };
    let (_proxy, uri) = proxy(cluster, None);
    let mut failed = 0;
    for _ in 0..40 {
        failed += usize::from(status(uri.clone()).await == 500);
    }
    assert_eq!(failed, 3);
    assert!(detector.is_ejected(bad.address()));
    assert_eq!((good.requests(), bad.requests()), (37, 3));
}

#[tokio::test]
async fn an_endpoint_that_is_not_there_is_put_out() {
    let good = Origin::fixed("good").await;
    let gone = free_address();
    let detector = Detector::new(three_in_a_row());
    let cluster = Cluster {
        detector: Some(detector.clone()),
        ..mk_cluster("app", &[good.address(), gone])
    };
    let (_proxy, uri) = proxy(cluster, Some("connect-failure"));
    for _ in 0..40 {
        assert_eq!(status(uri.clone()).await, 200);
    }
    assert!(detector.is_ejected(gone));
    assert_eq!(detector.ejections(), 1);
}

fn three_in_a_row() -> Rules {
    let streak = |length| Streak {
        length,
        enforced: 100,
    };
    Rules {
        interval: Duration::from_secs(10),
        base_time: Duration::from_secs(30),
        max_time: Duration::from_secs(300),
        jitter: Duration::ZERO,
        max_percent: 50,
        health_check_takes_back: true,
        always_one: false,
        split_local: false,
        errors: streak(3),
        gateway_errors: streak(0),
        local_failures: streak(0),
        rates: Rates {
            success_enforced: 0,
            success_hosts: 5,
            success_requests: 100,
            success_factor: 1900,
            failure_enforced: 0,
            failure_percent: 85,
            failure_hosts: 5,
            failure_requests: 50,
        },
        local_enforced: (0, 0),
    }
}
