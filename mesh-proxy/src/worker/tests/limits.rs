//! Rate limits over real sockets.

use std::net::SocketAddr;
use std::time::Duration;

use mesh_proto::any::pack;
use mesh_proto::envoy::envoy::config::listener::v3 as pb;
use mesh_proto::envoy::envoy::extensions::filters::http::local_ratelimit::v3::LocalRateLimit;
use mesh_proto::envoy::envoy::extensions::filters::network::local_ratelimit::v3 as network;
use mesh_test::client::{Client, Http, get};
use mesh_test::origin::Origin;
use mesh_traffic::{Config, Listener};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::testing::{
    LOCAL_LIMIT, Mk, Proxy, free_address, local_limit, mk_cluster, mk_config, table, tcp_filter,
    to_cluster,
};

fn config(at: SocketAddr, app: SocketAddr, limit: &LocalRateLimit) -> Config {
    let listener = Mk {
        routes: Some(table("t", vec![to_cluster("app")])),
        filters: vec![(LOCAL_LIMIT, pack(limit))],
        ..Mk::default()
    }
    .listener(at);
    mk_config(vec![listener], Vec::new(), vec![mk_cluster("app", &[app])])
}

/// How many of the answers have which status.
fn count(statuses: &[u16], wanted: u16) -> usize {
    statuses.iter().filter(|status| **status == wanted).count()
}

#[tokio::test]
async fn the_workers_of_a_proxy_share_one_bucket() {
    let origin = Origin::fixed("ok").await;
    let at = free_address();
    let proxy = Proxy::start(config(at, origin.address(), &local_limit(5)), None);
    let mut statuses = Vec::new();
    // Each on a connection of its own, so that both workers have some.
    for _ in 0..20 {
        let answer = get(&format!("http://{at}/"), &[]).await.unwrap();
        statuses.push(answer.status().as_u16());
    }
    assert_eq!((count(&statuses, 200), count(&statuses, 429)), (5, 15));
    let counted = proxy.live.current();
    let listener = counted.listeners.values().next().unwrap();
    let counted = listener.local_limits()[0].counted();
    assert_eq!((counted.enabled, counted.passed), (20, 5));
    assert_eq!((counted.limited, counted.enforced), (15, 15));
}

#[tokio::test]
async fn each_connection_may_have_a_bucket_of_its_own() {
    let origin = Origin::fixed("ok").await;
    let at = free_address();
    let limit = LocalRateLimit {
        local_rate_limit_per_downstream_connection: true,
        ..local_limit(2)
    };
    let _proxy = Proxy::start(config(at, origin.address(), &limit), None);
    for http in [Http::One, Http::Two] {
        let mut client = Client::plain(at, http).await.unwrap();
        let mut statuses = Vec::new();
        for _ in 0..4 {
            let answer = client.get(&format!("http://{at}/"), &[]).await.unwrap();
            statuses.push(answer.status().as_u16());
        }
        assert_eq!(statuses, [200, 200, 429, 429], "{http:?}");
    }
}

fn tcp_listener(at: SocketAddr) -> Listener {
    let limit = network::LocalRateLimit {
        stat_prefix: "tcp".into(),
        token_bucket: local_limit(2).token_bucket,
        ..Default::default()
    };
    let limit = pb::Filter {
        name: "limit".into(),
        config_type: Some(pb::filter::ConfigType::TypedConfig(pack(&limit))),
    };
    let chain = pb::FilterChain {
        filters: vec![limit, tcp_filter("app")],
        ..Default::default()
    };
    Listener::compile(&Mk::default().with_chains_pb(at, vec![chain])).unwrap()
}

#[tokio::test]
async fn connections_too_many_are_closed_at_once() {
    let app = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = free_address();
    let cluster = mk_cluster("app", &[app.local_addr().unwrap()]);
    let proxy = Proxy::start(
        mk_config(vec![tcp_listener(at)], Vec::new(), vec![cluster]),
        None,
    );
    let mut clients = Vec::new();
    for _ in 0..2 {
        clients.push(TcpStream::connect(at).await.unwrap());
        let accepted = tokio::time::timeout(Duration::from_secs(10), app.accept()).await;
        drop(accepted.unwrap().unwrap());
    }
    let mut one_too_many = TcpStream::connect(at).await.unwrap();
    let mut nothing = Vec::new();
    // The end of the stream, or a reset.
    let read = one_too_many.read_to_end(&mut nothing).await;
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
    let config = proxy.live.current();
    let listener = config.listeners.values().next().unwrap();
    assert_eq!(listener.connection_limits()[0].limited(), 1);
}
