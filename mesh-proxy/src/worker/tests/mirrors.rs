//! Copies of requests: what mirrors get, and that nobody else notices.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use mesh_proto::envoy::envoy::config::route::v3::route_action::RequestMirrorPolicy;
use mesh_proto::envoy::google::protobuf as wkt;
use mesh_test::client::{Client, Http};
use mesh_test::eventually::eventually_async;
use mesh_test::origin::Origin;
use mesh_traffic::cluster::UpstreamProtocol;
use parking_lot::Mutex;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::raw::{Act, origin};
use crate::http::mirror::CopyEnd;
use crate::http::observe::{End, Observer};
use crate::http::serve::Exchange;
use crate::testing::{
    Mk, Proxy, action_of, free_address, mk_cluster, mk_config, table, to_cluster,
};

/// Counts requests, and keeps how copies ended.
#[derive(Clone, Default)]
struct Noted(Arc<Mutex<(usize, Vec<CopyEnd>)>>);

impl Observer for Noted {
    fn request_ended(&self, _: &Exchange, _: &End) {
        self.0.lock().0 += 1;
    }

    fn copy_ended(&self, end: CopyEnd) {
        self.0.lock().1.push(end);
    }

    fn connection_refused(&self, _: &'static str) {}
}

impl Noted {
    /// How so many copies ended, in whatever order.
    async fn copies(&self, count: usize) -> Vec<CopyEnd> {
        let all = eventually_async("all copies", || async {
            let all = self.0.lock().1.clone();
            match all.len() == count {
                true => Ok(all),
                false => Err(all),
            }
        });
        let mut all = all.await;
        all.sort();
        all
    }
}

/// A proxy whose requests go to `app`, and copies of them to the mirrors; `away` is no cluster.
fn start(app: SocketAddr, mirrors: &[(&str, SocketAddr)]) -> (Proxy, Noted, SocketAddr) {
    let mut route = to_cluster("app");
    let action = action_of(&mut route);
    action.retry_policy = None;
    action.timeout = Some(wkt::Duration {
        seconds: 5,
        nanos: 0,
    });
    let policy = |(name, _): &(&str, SocketAddr)| RequestMirrorPolicy {
        cluster: (*name).into(),
        ..Default::default()
    };
    action.request_mirror_policies = mirrors.iter().map(policy).collect();
    let address = free_address();
    let listener = Mk {
        routes: Some(table("t", vec![route])),
        ..Mk::default()
    }
    .listener(address);
    let known = mirrors.iter().filter(|(name, _)| *name != "away");
    let known = known.map(|(name, address)| {
        let mut cluster = mk_cluster(name, &[*address]);
        if name.ends_with('2') {
            cluster.protocol = UpstreamProtocol::Http2;
        }
        cluster
    });
    let clusters = known.chain([mk_cluster("app", &[app])]).collect();
    let noted = Noted::default();
    let told = noted.clone();
    let config = mk_config(vec![listener], Vec::new(), clusters);
    let proxy = Proxy::observed(config, None, move || Rc::new(told.clone()));
    (proxy, noted, address)
}

/// What came to a mirror: method, path, host and body.
type Came = (String, String, String, Bytes);

/// A mirror that keeps what comes.
async fn keeper() -> (Origin, Arc<Mutex<Vec<Came>>>) {
    let kept: Arc<Mutex<Vec<Came>>> = Arc::default();
    let own = kept.clone();
    let origin = Origin::start(move |request| {
        let host = request
            .headers()
            .get("host")
            .map(|host| host.to_str().unwrap());
        let host = host.or_else(|| request.uri().authority().map(http::uri::Authority::as_str));
        own.lock().push((
            request.method().to_string(),
            request.uri().path().to_owned(),
            host.unwrap_or_default().to_owned(),
            request.body().clone(),
        ));
        let mut answer = http::Response::new(Bytes::from(vec![b'm'; 300_000]));
        *answer.status_mut() = http::StatusCode::IM_A_TEAPOT;
        answer
    });
    (origin.await, kept)
}

#[tokio::test]
async fn mirrors_get_requests_whole_and_their_answers_are_dropped() {
    let app = Origin::fixed("from the app").await;
    let (one, came_to_one) = keeper().await;
    let (two, came_to_two) = keeper().await;
    let mirrors = [("one", one.address()), ("two2", two.address())];
    let (_proxy, noted, address) = start(app.address(), &mirrors);
    let mut expected = Vec::new();
    for http in [Http::One, Http::Two] {
        let mut client = Client::plain(address, http).await.unwrap();
        for size in [0, 1, 200_000, 2] {
            if size == 2 {
                // Nothing is under way, so that there is a connection to be used again.
                noted.copies(2 * expected.len()).await;
            }
            let before = one.connections() + two.connections();
            let body = vec![b'x'; size];
            let answer = client
                .post(&format!("http://{address}/a?b"), &[], body.clone())
                .await
                .unwrap();
            assert_eq!(answer.status(), 200);
            assert_eq!(answer.body().as_ref(), b"from the app");
            let host = format!("127.0.0.1-shadow:{}", address.port());
            expected.push(("POST".to_owned(), "/a".to_owned(), host, body.into()));
            if size == 2 {
                noted.copies(2 * expected.len()).await;
                assert_eq!(one.connections() + two.connections(), before);
            }
        }
    }
    let copies = 2 * expected.len();
    assert_eq!(noted.copies(copies).await, vec![CopyEnd::Answered; copies]);
    for came in [came_to_one, came_to_two] {
        let mut came = came.lock().clone();
        // Each goes its own way, so they may overtake one another.
        came.sort();
        let mut expected: Vec<Came> = expected.clone();
        expected.sort();
        assert_eq!(came, expected);
    }
    assert_eq!(noted.0.lock().0, expected.len(), "copies are no requests");
}

#[tokio::test]
async fn mirrors_that_fail_cost_clients_nothing() {
    let app = Origin::fixed("ok").await;
    let (cut, _cut) = origin(&[Act::CloseUnanswered]).await;
    let (half, _half) = origin(&[Act::Half]).await;
    let nobody = free_address();
    let mirrors = [
        ("away", nobody),
        ("refusing", nobody),
        ("cut", cut),
        ("half", half),
    ];
    let (_proxy, noted, address) = start(app.address(), &mirrors);
    let mut client = Client::plain(address, Http::One).await.unwrap();
    for _ in 0..10 {
        let answer = client.get(&format!("http://{address}/"), &[]).await;
        assert_eq!(answer.unwrap().status(), 200);
    }
    assert_eq!(noted.copies(40).await, [CopyEnd::Failed; 40]);
}

#[tokio::test]
async fn a_mirror_that_never_answers_has_the_time_of_the_route() {
    let app = Origin::fixed("ok").await;
    let (silent, _silent) = origin(&[Act::Silent]).await;
    let (_proxy, noted, address) = start(app.address(), &[("silent", silent)]);
    let mut client = Client::plain(address, Http::Two).await.unwrap();
    for _ in 0..3 {
        let answer = client.get(&format!("http://{address}/"), &[]).await;
        assert_eq!(answer.unwrap().status(), 200);
    }
    assert_eq!(noted.0.lock().1, [], "they wait");
    assert_eq!(noted.copies(3).await, [CopyEnd::Failed; 3]);
}

#[tokio::test]
async fn a_mirror_that_takes_too_little_is_given_up() {
    const LARGE: usize = 40_000_000;
    let app = Origin::start(|request| {
        http::Response::new(request.body().len().to_string().into_bytes().into())
    });
    let app = app.await;
    let (silent, _silent) = origin(&[Act::Silent]).await;
    let (_proxy, noted, address) = start(app.address(), &[("silent", silent)]);
    for http in [Http::One, Http::Two] {
        let mut client = Client::plain(address, http).await.unwrap();
        let answer = client
            .post(&format!("http://{address}/"), &[], vec![b'x'; LARGE])
            .await
            .unwrap();
        assert_eq!(answer.body().as_ref(), LARGE.to_string().as_bytes());
    }
    assert_eq!(noted.copies(2).await, [CopyEnd::GivenUp; 2]);
}

#[tokio::test]
async fn a_request_that_breaks_off_is_not_whole_at_its_mirror() {
    let app = Origin::fixed("ok").await;
    let (mirror, came) = keeper().await;
    let (_proxy, noted, address) = start(app.address(), &[("mirror", mirror.address())]);
    let mut client = TcpStream::connect(address).await.unwrap();
    client
        .write_all(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhalf")
        .await
        .unwrap();
    eventually_async("the copy begins", || async {
        match mirror.connections() {
            0 => Err(()),
            _ => Ok(()),
        }
    })
    .await;
    drop(client);
    assert_eq!(noted.copies(1).await, [CopyEnd::GivenUp]);
    let whole = came
        .lock()
        .iter()
        .filter(|(.., body)| body.len() == 10)
        .count();
    assert_eq!(whole, 0);
}
