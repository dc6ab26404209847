//! Clients that are not ours before every kind of listener: curl, h2load, wrk.

use std::process::{Command, Stdio};
use std::sync::Arc;

use mesh_test::client::{Client, Http};
use mesh_test::eventually_async;
use mesh_tests::pattern::pattern;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::apps;
use crate::curl::{Way, on_all, same};
use crate::exchanges as exchange;
use crate::world::{Shared, World};

static WORLD: Shared = Shared::new(|| {
    let counted = crate::world::App {
        name: "counted",
        ..apps::hyper()
    };
    let gateway = json!({
        "apiVersion": "networking.istio.io/v1", "kind": "Gateway", "metadata": {"name": "all"},
        "spec": {"selector": {"istio": "ingressgateway"}, "servers": [
            {"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["*"]}]},
    });
    let routes = json!({
        "apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"name": "all"},
        "spec": {"hosts": ["*"], "gateways": ["all"], "http": [
            {"route": [{"destination": {"host": "hyper", "port": {"number": 8080}}}]}]},
    });
    World::up(&[apps::hyper(), counted], &[gateway, routes])
});

/// Through the pair, the server's sidecar alone, the gateway with the server's sidecar.
fn ways(world: &Arc<World>) -> Vec<Way> {
    let entries = [
        ("pair", world.outbound("hyper", 8080)),
        ("inbound sidecar", world.inbound("hyper", 8080)),
        ("gateway", world.gateway()),
    ];
    let both = ["--http1.1", "--http2-prior-knowledge"];
    let ways = entries.iter().flat_map(|(name, to)| {
        both.map(|speak| Way {
            _world: world.clone(),
            name: (*name).to_owned(),
            to: *to,
            host: "hyper:8080".to_owned(),
            speak,
            served_with: "HTTP/1.1",
            trailers: true,
        })
    });
    ways.collect()
}

#[test]
fn curl_is_understood_to_the_letter() {
    on_all(
        &ways(&WORLD.get()),
        exchange::a_request_arrives_as_it_was_sent,
    );
}

#[test]
fn curl_gets_every_status() {
    on_all(&ways(&WORLD.get()), exchange::statuses_come_back);
}

#[test]
fn curl_gets_lengths_without_bodies() {
    on_all(&ways(&WORLD.get()), exchange::head_has_a_length_and_no_body);
}

#[test]
fn curl_downloads_whole_bodies() {
    on_all(&ways(&WORLD.get()), exchange::bodies_come_down_whole);
}

#[test]
fn curl_uploads_whole_bodies() {
    on_all(&ways(&WORLD.get()), exchange::bodies_go_up_whole);
}

#[test]
fn curl_is_told_to_continue() {
    on_all(&ways(&WORLD.get()), exchange::an_expected_100_comes);
}

#[test]
fn curl_hears_an_early_refusal() {
    on_all(&ways(&WORLD.get()), exchange::an_early_answer_is_heard);
}

#[test]
fn curl_gets_trailers() {
    on_all(&ways(&WORLD.get()), exchange::trailers_come_down);
}

#[test]
fn curl_keeps_its_connections() {
    on_all(&ways(&WORLD.get()), exchange::a_connection_serves_many);
}

#[test]
fn a_body_of_128_mib_streams_down() {
    const LENGTH: u64 = 128 << 20;
    let expected = pattern(LENGTH);
    on_all(&ways(&WORLD.get()), |way| {
        let answer = way.fetch(&format!("/bytes/{LENGTH}"), &[])?;
        same("status", answer.status, 200)?;
        same("whole", answer.body == expected, true)
    });
}

/// Istio's default (`PILOT_HTTP10` unset): HTTP/1.0 is told to upgrade.
#[test]
fn http10_is_told_to_upgrade() {
    let ways: Vec<Way> = ways(&WORLD.get())
        .into_iter()
        .filter(|way| way.speak == "--http1.1")
        .map(|way| Way {
            speak: "--http1.0",
            ..way
        })
        .collect();
    on_all(&ways, |way| {
        let answer = way.fetch("/bytes/10", &[])?;
        same("status", answer.status, 426)
    });
}

/// curl cannot tell (see `an_early_answer_is_heard`), so hyper does.
#[tokio::test]
async fn an_early_refusal_is_heard_over_http2() {
    let world = WORLD.get();
    for way in ways(&world).iter().step_by(2) {
        let mut client = Client::plain(way.to, Http::Two).await.unwrap();
        let url = format!("http://{}/refuse", way.host);
        let answer = client.post(&url, &[], pattern(4_000_003)).await.unwrap();
        assert_eq!(answer.status(), 413, "{}", way.name);
        let url = format!("http://{}/bytes/10", way.host);
        let next = client.get(&url, &[]).await.unwrap();
        assert_eq!(next.body(), pattern(10).as_slice(), "{}", way.name);
    }
}

/// Trailers of a request; curl cannot send any.
#[tokio::test]
async fn trailers_of_a_request_reach_the_server() {
    let world = WORLD.get();
    for way in ways(&world).iter().step_by(2) {
        let mut stream = TcpStream::connect(way.to).await.unwrap();
        let request = "POST /seen HTTP/1.1\r\nhost: hyper:8080\r\nconnection: close\r\n\
            transfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n\
            5;ext=1\r\nhello\r\n0\r\nx-sum: abc\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{}: {answer}", way.name);
        assert!(
            answer.contains(r#""trailers":{"x-sum":["abc"]}"#),
            "{}: {answer}",
            way.name
        );
        assert!(answer.contains(r#""length":5"#), "{}: {answer}", way.name);
    }
}

/// Requests that arrive in one packet are answered in their order.
#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let world = WORLD.get();
    for way in ways(&world).iter().step_by(2) {
        let mut stream = TcpStream::connect(way.to).await.unwrap();
        let requests: Vec<String> = (1..=20)
            .map(|n| {
                let end = if n == 20 { "connection: close\r\n" } else { "" };
                format!("GET /status/2{n:02} HTTP/1.1\r\nhost: hyper:8080\r\n{end}\r\n")
            })
            .filter(|request| !request.contains("/204") && !request.contains("/205"))
            .collect();
        stream
            .write_all(requests.concat().as_bytes())
            .await
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let got: Vec<&str> = answer
            .match_indices("HTTP/1.1 2")
            .map(|(at, _)| &answer[at + 9..at + 12])
            .collect();
        let sent: Vec<&str> = requests.iter().map(|request| &request[12..15]).collect();
        assert_eq!(got, sent, "{}: {answer}", way.name);
    }
}

/// What both sidecars have counted of the load.
async fn counted(world: &World) -> (u64, u64) {
    let of = |reporter: &'static str| {
        [
            ("reporter", reporter),
            ("destination_service_name", "counted"),
            ("response_code", "200"),
            ("response_flags", "-"),
        ]
    };
    let source = world.counted("caller", &of("source")).await;
    (source, world.counted("counted", &of("destination")).await)
}

#[tokio::test]
async fn h2load_and_wrk_are_counted_exactly() {
    const REQUESTS: u64 = 4000;
    let world = WORLD.get();
    let ways = ways(&world);
    let way = Way {
        to: world.outbound("counted", 8080),
        host: "counted:8080".to_owned(),
        ..ways[0].clone()
    };
    let (mut sum, requests) = (0, REQUESTS.to_string());
    for streams in ["--h1", "-m25", "-m1"] {
        exchange::load(&way, &["-n", &requests, "-c", "8", streams], REQUESTS).unwrap();
        sum += REQUESTS;
        counts_become(&world, sum, 0).await;
    }
    // wrk leaves with one request on each of its connections.
    counts_become(&world, sum + wrk(&way), 8).await;
}

/// Runs wrk for two seconds and gives how many requests it says it has done.
fn wrk(way: &Way) -> u64 {
    // With a small h wrk sends a second one.
    let host = format!("Host: {}", way.host);
    let output = Command::new("wrk")
        .args(["-t1", "-c8", "-d2s", "-H", &host])
        .arg(format!("http://{}/bytes/1000", way.to))
        .stdin(Stdio::null())
        .output();
    let text = output.expect("wrk runs").stdout;
    let text = String::from_utf8_lossy(&text);
    assert!(
        !text.contains("Socket errors") && !text.contains("Non-2xx"),
        "{text}"
    );
    let line = text
        .lines()
        .find_map(|line| line.split_once(" requests in "));
    let number = line.and_then(|(number, _)| number.trim().parse().ok());
    number.unwrap_or_else(|| panic!("no number of requests in {text}"))
}

async fn counts_become(world: &World, expected: u64, more: u64) {
    eventually_async("both sidecars count what the client counts", || async {
        let (source, destination) = counted(world).await;
        let right = |count| (expected..=expected + more).contains(&count);
        if right(source) && right(destination) {
            Ok(())
        } else {
            Err(format!(
                "{source} and {destination} counted, {expected} done"
            ))
        }
    })
    .await;
}
