//! A client whose resets never end, and others whose requests share a connection with its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mesh_tests::Metrics;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::case::{Case, End, Entry, Flood, Rule, Step, code, plain};
use crate::client::{self, Got, PATIENCE};
use crate::sandbox::Sandbox;
use crate::wire::h2::{Frame, WHOLE, frames, opened};

/// Clients that attack at the same time. What they may give up together is far more than a proxy of
/// the mesh takes on one connection.
const ATTACKERS: usize = 60;
/// Resets that a proxy takes at once from another one.
const TAKEN: u64 = 5_000;
/// Half the body of the neighbour's upload: too much to be kept for a second try.
const HALF: usize = 256 * 1024;
const SERVICE: &str = "strict:8080";

static RESETS: Rule = plain("CVE-2023-44487", "resets end at the first proxy");

#[tokio::test(flavor = "multi_thread")]
async fn resets_through_two_sidecars_end_at_the_first_and_cost_neighbours_nothing() {
    let sandbox = Sandbox::up(&["proxy.concurrency=1"]).await;
    let first = sandbox.outbound();
    // Both proxies are the strict workload's sidecar: its one listener takes the application's
    // calls, the other the mesh's. A connection that the second ended would be counted too.
    unharmed(first).await;
    assert_eq!(floods(&sandbox, Entry::Sidecar).await, ATTACKERS as u64);
    given_up(&sandbox, Entry::Sidecar).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn resets_through_a_gateway_end_there_and_cost_neighbours_nothing() {
    let sandbox = Sandbox::up(&["proxy.concurrency=1"]).await;
    unharmed(sandbox.gateway()).await;
    assert_eq!(floods(&sandbox, Entry::Gateway).await, ATTACKERS as u64);
    assert_eq!(floods(&sandbox, Entry::Sidecar).await, 0);
    given_up(&sandbox, Entry::Gateway).await;
}

/// The first proxy was asked to give up more than the second one takes.
async fn given_up(sandbox: &Sandbox, first: Entry) {
    let metrics = Metrics::scrape(&sandbox.metrics(first)).await;
    let gone = [("reporter", "source"), ("response_code", "0")];
    let gone = metrics.sum("istio_requests_total", &gone);
    assert!(gone > 2 * TAKEN, "only {gone} requests were given up");
}

/// Attacks through a proxy, while others use the connection that it shares between its clients.
async fn unharmed(first: SocketAddr) {
    let mut upload = Upload::begin(first).await;
    for number in 0..10 {
        assert_eq!(good(first, number).await, Some(200));
    }
    let failed = Arc::new(AtomicUsize::new(0));
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let mut steady = JoinSet::new();
    for number in 0..4 {
        let (failed, stopped) = (Arc::clone(&failed), stopped.clone());
        steady.spawn(async move {
            let mut count = 0_usize;
            while !*stopped.borrow() {
                let ok = good(first, number).await == Some(200);
                failed.fetch_add(usize::from(!ok), Ordering::Relaxed);
                count += 1;
            }
            count
        });
    }
    let mut attackers = JoinSet::new();
    for number in 0..ATTACKERS {
        attackers.spawn(attack(first, number));
    }
    for got in attackers.join_all().await {
        assert_eq!(got.goaway, Some(code::CALM), "{got:?}");
        assert!(got.closed, "an attacker's connection stays open");
    }
    // Later than resets are put off for.
    assert_eq!(upload.end().await, Some(200), "the upload broke off");
    stop.send_replace(true);
    let asked: usize = steady.join_all().await.into_iter().sum();
    let failed = failed.load(Ordering::Relaxed);
    assert_eq!(failed, 0, "of {asked} requests of neighbours");
    assert!(asked > 0);
}

async fn attack(to: SocketAddr, number: usize) -> Got {
    let path = format!("/s{number:07}/x");
    let fields = [
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", SERVICE),
        (":path", &path),
    ];
    let turn = frames(&[Frame::head(WHOLE, 1, &fields), Frame::rst(1, 8)]);
    let flood = Flood {
        turn,
        count: 100_000,
        opens: true,
    };
    let case = Case::two(&RESETS, "resets", opened(&[]))
        .step(Step::Flood(flood))
        .ends(End::GoAway(&[code::CALM]));
    client::run(&case, "s0000000", to, PATIENCE).await
}

/// A request whose body takes its time.
struct Upload(TcpStream);

impl Upload {
    async fn begin(to: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(to).await.expect("a connection");
        let head = format!(
            "POST /s1000000/p HTTP/1.1\r\nhost: {SERVICE}\r\ncontent-length: {}\r\n\r\n",
            2 * HALF
        );
        stream.write_all(head.as_bytes()).await.expect("a head");
        stream.write_all(&[b'u'; HALF]).await.expect("half a body");
        Self(stream)
    }

    async fn end(&mut self) -> Option<u16> {
        self.0.write_all(&[b'u'; HALF]).await.ok()?;
        status(&mut self.0).await
    }
}

async fn good(to: SocketAddr, number: usize) -> Option<u16> {
    let mut stream = TcpStream::connect(to).await.ok()?;
    let request = format!("GET /s2{number:06}/good HTTP/1.1\r\nhost: {SERVICE}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    status(&mut stream).await
}

/// The status of the answer that comes.
async fn status(stream: &mut TcpStream) -> Option<u16> {
    let mut line = [0; 12];
    let read = tokio::time::timeout(PATIENCE, stream.read_exact(&mut line));
    read.await.ok()?.ok()?;
    std::str::from_utf8(&line[9..]).ok()?.parse().ok()
}

/// Connections that a proxy has ended as floods.
async fn floods(sandbox: &Sandbox, entry: Entry) -> u64 {
    let metrics = Metrics::scrape(&sandbox.metrics(entry)).await;
    metrics.sum("mesh_proxy_failures_total", &[("reason", "h2_flood")])
}
