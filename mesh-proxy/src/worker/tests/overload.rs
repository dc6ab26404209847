//! Memory or room is short: who is served, who is told, who has to go.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mesh_runtime::Tasks;
use mesh_test::client::{Client, Http, get};
use mesh_test::eventually_async;
use mesh_test::origin::Origin;
use mesh_traffic::Config;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::raw::{Act, exchange, origin};
use crate::http::failure::FailureKind;
use crate::http::mirror::CopyEnd;
use crate::http::observe::{End, Finish, Observer, Unobserved};
use crate::http::serve::Exchange;
use crate::testing::{Mk, Proxy, free_address, mk_cluster, mk_config, table, to_cluster};
use crate::worker::overload::bounds::Most;
use crate::worker::overload::settings::OverloadSettings;
use crate::worker::overload::{Action, Level};

/// How long nobody takes anything before nobody will.
const STUCK: Duration = Duration::from_millis(500);
const SOON: Duration = Duration::from_secs(10);
/// More than the buffers of two sockets take.
const LARGE: usize = 32 * 1024 * 1024;

fn config(mk: Mk, address: SocketAddr, app: SocketAddr) -> Config {
    let listener = Mk {
        routes: Some(table("t", vec![to_cluster("app")])),
        ..mk
    };
    mk_config(
        vec![listener.listener(address)],
        Vec::new(),
        vec![mk_cluster("app", &[app])],
    )
}

/// Answers with more than anybody takes who does not read.
async fn large() -> Origin {
    let body = Bytes::from(vec![b'x'; LARGE]);
    Origin::start(move |_| http::Response::new(body.clone())).await
}

fn bounded(config: Config, settings: OverloadSettings) -> Proxy {
    Proxy::bounded(config, None, &settings, || Rc::new(Unobserved))
}

async fn counted(proxy: &Proxy, action: Action, least: u64) {
    eventually_async("the action", || async {
        match proxy.overload.counted(action) {
            count if count >= least => Ok(()),
            count => Err(count),
        }
    })
    .await;
}

/// A client that asks for something and reads nothing.
async fn stalled(address: SocketAddr) -> TcpStream {
    let mut client = TcpStream::connect(address).await.unwrap();
    let head = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    client.write_all(head).await.unwrap();
    client
}

#[tokio::test]
async fn requests_are_refused_while_memory_is_short_and_served_when_it_is_not() {
    let app = Origin::fixed("ok").await;
    let address = free_address();
    let proxy = Proxy::start(config(Mk::default(), address, app.address()), None);
    let uri = format!("http://{address}/");
    let client = Client::plain(address, Http::Two).await.unwrap();
    let client = Arc::new(tokio::sync::Mutex::new(client));
    for (level, wanted) in [(Level::Calm, 200), (Level::Refuse, 503), (Level::Calm, 200)] {
        proxy.overload(level);
        eventually_async("the answer", || async {
            let answer = client.lock().await.get(&uri, &[]).await.unwrap();
            match answer.status().as_u16() {
                status if status == wanted => Ok(()),
                status => Err(status),
            }
        })
        .await;
    }
    counted(&proxy, Action::RequestRefused, 1).await;
}

#[tokio::test]
async fn clients_wait_outside_while_memory_is_short() {
    let app = Origin::fixed("ok").await;
    let address = free_address();
    let proxy = Proxy::start(config(Mk::default(), address, app.address()), None);
    let uri = format!("http://{address}/");
    assert_eq!(get(&uri, &[]).await.unwrap().status(), 200);
    proxy.overload(Level::Pause);
    // The one that was waited for already, and is not kept.
    let bytes = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    let answer = exchange(address, bytes).await;
    assert!(answer.contains("connection: close"), "{answer}");
    counted(&proxy, Action::AcceptPaused, 1).await;
    let waiting = get(&uri, &[]);
    tokio::pin!(waiting);
    proxy.overload(Level::Calm);
    assert_eq!(waiting.await.unwrap().status(), 200);
}

#[tokio::test]
async fn pools_are_given_up_first_and_idle_clients_last() {
    let app = Origin::fixed("ok").await;
    let address = free_address();
    let proxy = Proxy::start(config(Mk::default(), address, app.address()), None);
    let uri = format!("http://{address}/");
    let mut client = Client::plain(address, Http::One).await.unwrap();
    assert_eq!(client.get(&uri, &[]).await.unwrap().status(), 200);
    proxy.overload(Level::Shrink);
    counted(&proxy, Action::LinkClosed, 1).await;
    assert_eq!(client.get(&uri, &[]).await.unwrap().status(), 200);
    assert_eq!(proxy.overload.counted(Action::ClientClosed), 0);
    proxy.overload(Level::Shed);
    counted(&proxy, Action::ClientClosed, 1).await;
    assert!(proxy.emptied(SOON).await);
    assert_eq!(proxy.overload.bounds().open(), 0);
}

#[tokio::test]
async fn readers_that_take_nothing_are_given_up_when_memory_is_short() {
    let app = large().await;
    let address = free_address();
    let settings = OverloadSettings {
        memory: Some(1),
        ..OverloadSettings::default()
    };
    let proxy = bounded(config(Mk::default(), address, app.address()), settings);
    let mut clients = Vec::new();
    for _ in 0..16 {
        clients.push(stalled(address).await);
        if proxy.overload.level() == Level::Shed {
            break;
        }
    }
    counted(&proxy, Action::RequestReset, 1).await;
    assert!(proxy.emptied(SOON).await);
}

/// Says back what comes on its first connection, and takes nothing from any other.
async fn one_listens() -> (SocketAddr, Tasks) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let tasks = Tasks::new(&prometheus::Registry::new());
    tasks.spawn("echo", async move {
        let (mut first, _) = listener.accept().await.unwrap();
        let (mut from, mut to) = first.split();
        let echo = tokio::io::copy(&mut from, &mut to);
        let deaf = async {
            let mut others = Vec::new();
            while let Ok((other, _)) = listener.accept().await {
                others.push(other);
            }
        };
        let _ended = tokio::join!(echo, deaf);
    });
    (address, tasks)
}

#[tokio::test]
async fn tunnels_that_hold_the_most_are_cut_when_memory_is_short_and_others_go_on() {
    let (app, _app) = one_listens().await;
    let address = free_address();
    let listener = Mk::default().tcp_listener(address, "app");
    let clusters = vec![mk_cluster("app", &[app])];
    let proxy = Proxy::start(mk_config(vec![listener], Vec::new(), clusters), None);
    let mut good = TcpStream::connect(address).await.unwrap();
    let mut back = [0; 4];
    good.write_all(b"here").await.unwrap();
    good.read_exact(&mut back).await.unwrap();
    let mut bad = TcpStream::connect(address).await.unwrap();
    let block = vec![b'x'; 64 * 1024];
    // Until nobody on the way takes more.
    while let Ok(sent) = tokio::time::timeout(STUCK, bad.write_all(&block)).await {
        sent.unwrap();
    }
    proxy.overload.set_limit(1);
    proxy.overload(Level::Shed);
    counted(&proxy, Action::TunnelClosed, 1).await;
    let cut = tokio::time::timeout(SOON, bad.read(&mut back))
        .await
        .unwrap();
    assert!(cut.is_err(), "a connection that was cut ends with a reset");
    good.write_all(b"gone").await.unwrap();
    good.read_exact(&mut back).await.unwrap();
    assert_eq!(&back, b"gone");
    assert_eq!(proxy.overload.counted(Action::TunnelClosed), 1);
}

#[tokio::test]
async fn a_full_proxy_takes_the_next_client_when_one_leaves() {
    let app = Origin::fixed("ok").await;
    let address = free_address();
    let settings = OverloadSettings {
        connections: Most {
            total: 1,
            listener: 1,
            client: None,
        },
        ..OverloadSettings::default()
    };
    let proxy = bounded(config(Mk::default(), address, app.address()), settings);
    let first = TcpStream::connect(address).await.unwrap();
    counted(&proxy, Action::AcceptPaused, 1).await;
    let uri = format!("http://{address}/");
    let second = get(&uri, &[]);
    drop(first);
    assert_eq!(second.await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_client_with_too_many_connections_gets_no_other() {
    let app = Origin::fixed("ok").await;
    let address = free_address();
    let settings = OverloadSettings {
        connections: Most {
            client: Some(1),
            ..OverloadSettings::default().connections
        },
        ..OverloadSettings::default()
    };
    let proxy = bounded(config(Mk::default(), address, app.address()), settings);
    let uri = format!("http://{address}/");
    let mut first = Client::plain(address, Http::One).await.unwrap();
    assert_eq!(first.get(&uri, &[]).await.unwrap().status(), 200);
    assert!(get(&uri, &[]).await.is_err());
    assert_eq!(proxy.overload.counted(Action::ClientRefused), 1);
    assert_eq!(first.get(&uri, &[]).await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_body_that_trickles_is_not_waited_for_at_an_edge() {
    let (upstream, _origin) = origin(&[Act::Silent]).await;
    let address = free_address();
    let mk = Mk {
        edge: true,
        head_millis: 100,
        ..Mk::default()
    };
    let _proxy = Proxy::start(config(mk, address, upstream), None);
    let bytes = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\nab";
    let answer = exchange(address, bytes).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
}

/// Keeps what it is told.
#[derive(Clone, Default)]
struct Noted(Arc<Mutex<Vec<Finish>>>);

impl Observer for Noted {
    fn request_ended(&self, _: &Exchange, end: &End) {
        self.0.lock().push(end.finish);
    }

    fn copy_ended(&self, _: CopyEnd) {}

    fn connection_refused(&self, _: &'static str) {}
}

#[tokio::test]
async fn a_reader_that_takes_nothing_for_too_long_is_cut_off() {
    let app = large().await;
    let address = free_address();
    let mk = Mk {
        silence_millis: 200,
        ..Mk::default()
    };
    let noted = Noted::default();
    let told = noted.clone();
    let config = config(mk, address, app.address());
    let proxy = Proxy::observed(config, None, move || Rc::new(told.clone()));
    let _client = stalled(address).await;
    eventually_async("the request to end", || async {
        match noted.0.lock().as_slice() {
            [Finish::Failed(FailureKind::StreamIdle)] => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    assert!(proxy.emptied(SOON).await);
}
