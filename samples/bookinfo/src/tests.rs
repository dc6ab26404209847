//! The four services together, over sockets, without a mesh.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::*;
use crate::reply::Reply;

/// A listener on a port of its own.
pub(crate) async fn mk_listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// An environment that says where services are.
pub(crate) fn mk_environment(
    pairs: &[(&str, &str)],
    services: &[(&str, SocketAddr)],
) -> Environment {
    Environment::from_lookup(|name| {
        let said = pairs.iter().find(|(known, _)| *known == name);
        let of_service = || {
            let host = services
                .iter()
                .find(|(s, _)| name == format!("{s}_HOSTNAME"));
            let port = services
                .iter()
                .find(|(s, _)| name == format!("{s}_SERVICE_PORT"));
            let host = host.map(|(_, a)| a.ip().to_string());
            host.or_else(|| port.map(|(_, a)| a.port().to_string()))
        };
        said.map(|(_, value)| (*value).to_owned())
            .or_else(of_service)
    })
}

pub(crate) fn mk_tasks() -> Tasks {
    Tasks::new(&prometheus::Registry::new())
}

/// Sends `head` (without its closing empty line) and reads to the end.
pub(crate) async fn send(to: SocketAddr, head: &str) -> String {
    let mut stream = TcpStream::connect(to).await.unwrap();
    let request = format!("{head}\r\nHost: test\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// A service that reports the requests it gets, and answers each with the same.
pub(crate) struct Recorder {
    pub(crate) seen: mpsc::Sender<Request<Bytes>>,
    pub(crate) answer: (StatusCode, Value),
}

impl Service for Recorder {
    async fn answer(&self, request: Request<Bytes>) -> Reply {
        self.seen.send(request).await.unwrap();
        reply::json(self.answer.0, &self.answer.1)
    }
}

struct Shop {
    page: SocketAddr,
    tasks: Tasks,
}

/// The shop with reviews as `reviews` says.
async fn mk_shop(reviews: &[(&str, &str)]) -> Shop {
    let tasks = mk_tasks();
    let (details_listener, details) = mk_listener().await;
    let (reviews_listener, reviews_at) = mk_listener().await;
    let (ratings_listener, ratings) = mk_listener().await;
    let (page_listener, page) = mk_listener().await;
    let all = [
        ("DETAILS", details),
        ("REVIEWS", reviews_at),
        ("RATINGS", ratings),
    ];
    let plain = mk_environment(&[], &all);
    let clock = Arc::new(SystemClock);
    start(
        details::Details::new(&plain, Framing::Length, &tasks).unwrap(),
        details_listener,
        &tasks,
    );
    start(
        ratings::Ratings::new(&plain, clock).unwrap(),
        ratings_listener,
        &tasks,
    );
    let reviews = reviews::Reviews::new(&mk_environment(reviews, &all), &tasks);
    start(reviews.unwrap(), reviews_listener, &tasks);
    start(
        productpage::ProductPage::new(&plain, &tasks).unwrap(),
        page_listener,
        &tasks,
    );
    Shop { page, tasks }
}

#[tokio::test]
async fn the_page_shows_what_all_four_services_say() {
    let check = async |reviews: &[(&str, &str)], full: usize, empty: usize, wanted: &str| {
        let shop = mk_shop(reviews).await;
        let page = send(shop.page, "GET /productpage HTTP/1.1").await;
        assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
        assert!(
            page.contains("<title>Simple Bookstore App</title>"),
            "{page}"
        );
        assert!(page.contains("The Comedy of Errors"), "{page}");
        assert!(page.contains("<dd>PublisherA</dd>"), "{page}");
        assert!(
            page.contains("Reviewer1") && page.contains("Reviewer2"),
            "{page}"
        );
        assert_eq!(
            page.matches("glyphicon glyphicon-star\"").count(),
            full,
            "{page}"
        );
        assert_eq!(
            page.matches("glyphicon glyphicon-star-empty\"").count(),
            empty,
            "{page}"
        );
        assert!(page.contains(wanted), "{page}");
    };
    check(&[("SERVICE_VERSION", "v1")], 0, 0, "<b>reviews-v1</b>").await;
    let black = [("SERVICE_VERSION", "v2"), ("ENABLE_RATINGS", "true")];
    check(&black, 9, 1, "<font color=\"black\">").await;
    let red = [
        ("SERVICE_VERSION", "v3"),
        ("ENABLE_RATINGS", "true"),
        ("STAR_COLOR", "red"),
    ];
    check(&red, 9, 1, "<font color=\"red\">").await;
}

#[tokio::test]
async fn the_json_api_passes_on_what_the_services_say() {
    let shop = mk_shop(&[("ENABLE_RATINGS", "true"), ("POD_NAME", "r")]).await;
    let check = async |path: &str, expected: Value| {
        let answer = send(shop.page, &format!("GET /api/v1/products{path} HTTP/1.1")).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{path}: {answer}");
        let body: Value = serde_json::from_str(body).unwrap();
        for (field, value) in expected.as_object().unwrap() {
            assert_eq!(body.get(field), Some(value), "{path}: {body}");
        }
    };
    check(
        "/0",
        json!({"author": "William Shakespeare", "year": 1595, "ISBN-10": "1234567890"}),
    )
    .await;
    check(
        "/7/ratings",
        json!({"id": 7, "ratings": {"Reviewer1": 5, "Reviewer2": 4}}),
    )
    .await;
    check(
        "/0/reviews",
        json!({"id": "0", "podname": "r", "clustername": "null"}),
    )
    .await;
}

#[tokio::test]
async fn trace_user_and_credentials_reach_the_last_service() {
    let tasks = mk_tasks();
    let (seen_tx, mut seen) = mpsc::channel(8);
    let (reviews_listener, reviews_at) = mk_listener().await;
    let (ratings_listener, ratings) = mk_listener().await;
    let (page_listener, page) = mk_listener().await;
    let all = [
        ("DETAILS", ratings),
        ("REVIEWS", reviews_at),
        ("RATINGS", ratings),
    ];
    let answer = (
        StatusCode::OK,
        json!({"ratings": {"Reviewer1": 1, "Reviewer2": 2}}),
    );
    start(
        Recorder {
            seen: seen_tx,
            answer,
        },
        ratings_listener,
        &tasks,
    );
    let reviews = mk_environment(&[("ENABLE_RATINGS", "true")], &all);
    start(
        reviews::Reviews::new(&reviews, &tasks).unwrap(),
        reviews_listener,
        &tasks,
    );
    let plain = mk_environment(&[], &all);
    start(
        productpage::ProductPage::new(&plain, &tasks).unwrap(),
        page_listener,
        &tasks,
    );

    let sent = [
        ("x-request-id", "17"),
        ("x-b3-traceid", "463ac35c9f6413ad"),
        (
            "traceparent",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ),
        ("user-agent", "a browser"),
        ("authorization", "Bearer x"),
        ("cookie", "session=jason"),
    ];
    let lines = sent
        .map(|(name, value)| format!("\r\n{name}: {value}"))
        .concat();
    let forged = "\r\nend-user: somebody\r\nx-secret: 1";
    send(page, &format!("GET /productpage HTTP/1.1{lines}{forged}")).await;

    for path in ["/details/0", "/ratings/0"] {
        let request = seen.recv().await.unwrap();
        assert_eq!(request.uri().path(), path);
        for (name, value) in sent.iter().chain(&[("end-user", "jason")]) {
            assert_eq!(
                request.headers().get(*name).unwrap(),
                value,
                "{path} {name}"
            );
        }
        assert_eq!(request.headers().get_all("end-user").iter().count(), 1);
        assert!(request.headers().get("x-secret").is_none());
    }
}

#[tokio::test]
async fn a_request_under_way_is_answered_after_the_order_to_stop() {
    struct Slow(mpsc::Sender<()>, tokio::sync::Semaphore);
    impl Service for Slow {
        async fn answer(&self, _: Request<Bytes>) -> Reply {
            self.0.send(()).await.unwrap();
            let _go = self.1.acquire().await.unwrap();
            reply::text(StatusCode::OK, "done")
        }
    }
    let tasks = mk_tasks();
    let (started_tx, mut started) = mpsc::channel(1);
    let (listener, at) = mk_listener().await;
    let slow = Arc::new(Slow(started_tx, tokio::sync::Semaphore::new(0)));
    tasks.spawn(
        "accept",
        server::serve(slow.clone(), listener, tasks.clone()),
    );
    let (answer_tx, mut answer) = mpsc::channel(1);
    let client = mk_tasks();
    client.spawn("client", async move {
        answer_tx
            .send(send(at, "GET / HTTP/1.1").await)
            .await
            .unwrap();
    });
    started.recv().await.unwrap();
    tasks.stopping().cancel();
    slow.1.add_permits(1);
    assert!(answer.recv().await.unwrap().ends_with("done"));
    assert!(tasks.stop(DRAIN).await);
    assert!(TcpStream::connect(at).await.is_err());
}

#[tokio::test]
async fn kept_connections_do_not_hold_up_the_end() {
    let shop = mk_shop(&[]).await;
    send(shop.page, "GET /productpage HTTP/1.1").await;
    assert!(shop.tasks.stop(Duration::from_secs(5)).await);
}

#[test]
fn the_command_line_is_sound() {
    use clap::CommandFactory;
    Arguments::command().debug_assert();
}

#[test]
fn every_file_of_the_sample_is_yaml_with_a_kind() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = vec![root.join("local.yaml")];
    for folder in ["platform/kube", "networking"] {
        let entries = std::fs::read_dir(root.join(folder)).unwrap();
        files.extend(entries.map(|entry| entry.unwrap().path()));
    }
    assert!(files.len() >= 12, "{files:?}");
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let documents: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
        assert!(!documents.is_empty(), "{}", file.display());
        for document in documents {
            assert!(document.get("kind").is_some(), "{}", file.display());
            assert!(
                document.pointer("/metadata/name").is_some(),
                "{}",
                file.display()
            );
        }
    }
}
