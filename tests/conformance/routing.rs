//! The same bootstrap file and the same requests to mesh-proxy and to Envoy: both must route, rewrite and answer alike.
//!
//! Route tables and requests are generated, the same in each run; another seed can be set (`MESH_SEED`), as can the
//! number of requests (`MESH_CASES`). A difference has a name and a reason in [`entries`], any other fails.

mod backend;
mod entries;
mod generate;
mod peers;

use std::fmt::Write as _;
use std::net::SocketAddr;

use bytes::Bytes;
use fastrand::Rng;
use hyper::{Request, Response};
use mesh_test::client::{Client, Failure, Http};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use self::backend::Backend;
use self::entries::Judged;
use self::generate::{Ask, Table};

/// What decides tables and requests, where nobody says another number.
const SEED: u64 = 20_261_123;
/// Requests in all, where nobody says another number.
const CASES: usize = 24_000;
/// Tables in one bootstrap file, each behind a listener of its own.
const TABLES: usize = 48;
/// Requests to one table.
const ASKS: usize = 100;
/// Differences that are shown.
const SHOWN: usize = 12;

#[tokio::test(flavor = "multi_thread")]
async fn envoy_routes_as_we_do_but_for_what_is_named() {
    let seed = number("MESH_SEED").unwrap_or(SEED);
    let cases = number("MESH_CASES").map_or(CASES, |cases| usize::try_from(cases).unwrap());
    println!("MESH_SEED={seed}");
    let backend = Backend::start().await;
    let mut judged = Judged::default();
    let mut random = Rng::with_seed(seed);
    for _round in 0..cases.div_ceil(TABLES * ASKS) {
        let tables: Vec<Table> = (0..TABLES).map(|_| Table::draw(&mut random)).collect();
        let [mut mesh, mut envoy] =
            [peers::mesh, peers::envoy].map(|start| start(&tables, &backend));
        mesh.wait().await;
        envoy.wait().await;
        let mut runs = JoinSet::new();
        for (index, table) in tables.into_iter().enumerate() {
            let random = Rng::with_seed(random.u64(..));
            let at = [mesh.listener(index), envoy.listener(index)];
            runs.spawn(ask_both(table, random, at));
        }
        for run in runs.join_all().await {
            judged.add(run);
        }
        for peer in [mesh, envoy] {
            peer.end();
        }
    }
    judged.check(seed, SHOWN);
    assert!(judged.asked >= cases, "{} of {cases}", judged.asked);
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|error| panic!("{variable}: {error}")),
    )
}

/// One table, and what both made of each request.
struct Run {
    table: Table,
    cases: Vec<Case>,
}

/// One request, and what came of it at mesh-proxy and at Envoy.
struct Case {
    ask: Ask,
    came: [Value; 2],
}

async fn ask_both(table: Table, mut random: Rng, at: [SocketAddr; 2]) -> Run {
    let mut clients = [None, None];
    let mut cases = Vec::new();
    for _ in 0..ASKS {
        let ask = Ask::draw(&mut random);
        let mut came = [Value::Null, Value::Null];
        for (index, client) in clients.iter_mut().enumerate() {
            came[index] = outcome(ask_one(client, at[index], &ask).await);
        }
        cases.push(Case { ask, came });
    }
    Run { table, cases }
}

async fn ask_one(
    client: &mut Option<Client>,
    at: SocketAddr,
    ask: &Ask,
) -> Result<Response<Bytes>, Failure> {
    // Either may end a connection behind an answer; a second try on a new one is the client's business.
    for last in [false, true] {
        let mut open = match client.take() {
            Some(open) => open,
            None => Client::plain(at, Http::One).await?,
        };
        match open.send(ask.request()).await {
            Ok(answer) => {
                *client = Some(open);
                return Ok(answer);
            }
            Err(error) if last => return Err(error),
            Err(_) => {}
        }
    }
    Err("not asked".into())
}

/// What is compared of an answer: all but what differs from one moment to the next.
fn outcome(answer: Result<Response<Bytes>, Failure>) -> Value {
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => return json!({ "failure": error.to_string() }),
    };
    let mut headers: Vec<(String, String)> = answer
        .headers()
        .iter()
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        })
        .collect();
    headers.sort();
    headers.retain(|(name, _)| !["date", "x-envoy-upstream-service-time"].contains(&&**name));
    let split = headers.iter().any(|(name, _)| name == generate::SPLIT);
    let status = answer.status().as_u16();
    let body = answer.body();
    let told: Value = serde_json::from_slice(body)
        .unwrap_or_else(|_| String::from_utf8_lossy(body).into_owned().into());
    if told.is_object() {
        // Which the back end's body has made.
        headers.retain(|(name, _)| name != "content-length");
    }
    let outcome = json!({ "status": status, "headers": headers, "body": told });
    if !split {
        return outcome;
    }
    // Either may be drawn.
    let [.., one, other] = backend::CLUSTERS;
    let text = outcome.to_string().replace(other, one);
    serde_json::from_str(&text).unwrap_or(outcome)
}

/// A request of HTTP as people read it.
fn written(request: &Request<Bytes>) -> String {
    let mut text = format!("{} {}", request.method(), request.uri());
    for (name, value) in request.headers() {
        let value = String::from_utf8_lossy(value.as_bytes());
        let _infallible = write!(text, "\n  {name}: {value}");
    }
    text
}
