//! Nothing is lost: listeners change under load, and clients leave.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use mesh_pki::live::LiveIdentity;
use mesh_runtime::Tasks;
use mesh_test::client::{Client, Http};
use mesh_test::clock::now;
use mesh_test::eventually_async;
use mesh_test::origin::Origin;
use mesh_test::pki::Authority;
use mesh_traffic::Config;
use parking_lot::Mutex;

use crate::http::mirror::CopyEnd;
use crate::http::observe::{End, Finish, Observer};
use crate::http::serve::Exchange;
use crate::testing::{
    Mk, Proxy, action_of, free_address, mk_cluster, mk_config, mutual_tls, table, to_cluster,
};

const SERVER: &str = "spiffe://cluster.local/ns/default/sa/server";

fn live(authority: &Authority, id: &str) -> LiveIdentity {
    authority.live(id, Arc::new(mesh_runtime::SystemClock))
}

fn server(address: SocketAddr, app: SocketAddr, plaintext: bool) -> Config {
    let routes = Some(table("inbound", vec![to_cluster("app")]));
    let mk = Mk {
        inbound: true,
        mutual_tls: true,
        plaintext,
        routes,
        ..Mk::default()
    };
    mk_config(
        vec![mk.listener(address)],
        Vec::new(),
        vec![mk_cluster("app", &[app])],
    )
}

/// Sends POSTs one after another until told to stop; no retries, no forgiveness.
async fn send_until(stop: Arc<AtomicBool>, to: SocketAddr, sent: Arc<AtomicU64>) {
    let mut client = Client::plain(to, Http::One).await.unwrap();
    let uri = format!("http://{to}/");
    while !stop.load(Ordering::SeqCst) {
        let answer = client.post(&uri, &[], "body").await.unwrap();
        let body = String::from_utf8_lossy(answer.body()).into_owned();
        assert_eq!(answer.status(), 200, "{body}");
        sent.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn a_listener_that_changes_under_load_costs_no_request() {
    let root = Authority::root("cluster.local", now());
    let app = Origin::fixed("ok").await;
    let (entry, inner) = (free_address(), free_address());
    let mut server_side = Proxy::start(
        server(inner, app.address(), true),
        Some(live(&root, SERVER)),
    );
    let mut peer = mk_cluster("peer", &[inner]);
    peer.transport = mutual_tls(SERVER);
    // Without retries: a drained link must not need them.
    let mut route = to_cluster("peer");
    action_of(&mut route).retry_policy = None;
    let outbound = Mk {
        routes: Some(table("outbound", vec![route])),
        ..Mk::default()
    };
    let config = mk_config(vec![outbound.listener(entry)], Vec::new(), vec![peer]);
    let client = "spiffe://cluster.local/ns/default/sa/client";
    let _client_side = Proxy::start(config, Some(live(&root, client)));

    let (stop, sent) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    let registry = prometheus::Registry::new();
    let clients = Tasks::new(&registry);
    for _ in 0..8 {
        clients.spawn("client", send_until(stop.clone(), entry, sent.clone()));
    }
    for change in 0..30 {
        let before = sent.load(Ordering::SeqCst);
        server_side.apply(server(inner, app.address(), change % 2 == 0));
        eventually_async("requests after the change", || async {
            match sent.load(Ordering::SeqCst) > before + 20 {
                true => Ok(()),
                false => Err("none yet"),
            }
        })
        .await;
    }
    stop.store(true, Ordering::SeqCst);
    assert!(clients.stop(Duration::from_secs(10)).await);
    let panics: u64 = registry
        .gather()
        .iter()
        .flat_map(|family| {
            family
                .get_metric()
                .iter()
                .map(|m| m.get_counter().get_value() as u64)
        })
        .sum();
    assert_eq!(panics, 0, "a client saw a failure");
}

/// Keeps what it is told.
#[derive(Clone, Default)]
pub(super) struct Noted(pub(super) Arc<Mutex<Vec<(u16, Finish)>>>);

impl Observer for Noted {
    fn request_ended(&self, _: &Exchange, end: &End) {
        self.0.lock().push((end.status, end.finish));
    }

    fn copy_ended(&self, _: CopyEnd) {}

    fn connection_refused(&self, _: &'static str) {}
}

#[tokio::test]
async fn every_request_is_written_down_once() {
    let app = Origin::fixed("ok").await;
    let address = free_address();
    let listener = Mk {
        routes: Some(table("t", vec![to_cluster("app")])),
        ..Mk::default()
    };
    let cluster = mk_cluster("app", &[app.address()]);
    let noted = Noted::default();
    let told = noted.clone();
    let config = mk_config(vec![listener.listener(address)], Vec::new(), vec![cluster]);
    let _proxy = Proxy::observed(config, None, move || Rc::new(told.clone()));
    let mut client = Client::plain(address, Http::One).await.unwrap();
    for method in ["GET", "HEAD", "POST"] {
        let request = http::Request::builder()
            .method(method)
            .uri("/")
            .header("host", "a");
        let answer = client.send(request.body("".into()).unwrap()).await.unwrap();
        assert_eq!(answer.status(), 200);
    }
    let all = eventually_async("all requests", || async {
        let all = noted.0.lock().clone();
        if all.len() == 3 {
            Ok(all)
        } else {
            Err(all.len())
        }
    });
    assert_eq!(all.await, [(200, Finish::Complete); 3]);
}

#[test]
fn what_is_kept_per_connection_and_request_stays_small() {
    use crate::http::downstream::Downstream;
    use crate::http::flow::Flow;
    use crate::upstream::link::Link;
    let connection = size_of::<Downstream>() + size_of::<mesh_http::h1::Server>();
    let link = size_of::<Link>() + size_of::<mesh_http::h1::Client>();
    assert!(connection <= 1024, "{connection} bytes");
    assert!(link <= 1024, "{link} bytes");
    assert!(size_of::<Flow>() <= 1600, "{} bytes", size_of::<Flow>());
}
