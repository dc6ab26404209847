use http::StatusCode;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use super::*;
use crate::tests::{Recorder, mk_listener, mk_tasks};

const LIMIT: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_connection_is_used_again() {
    let tasks = mk_tasks();
    let (listener, at) = mk_listener().await;
    let (seen, mut requests) = mpsc::channel(8);
    crate::start(
        Recorder {
            seen,
            answer: (StatusCode::OK, json!({})),
        },
        listener,
        &tasks,
    );
    let upstream = Upstream::new(at.to_string(), &tasks);
    for _ in 0..3 {
        let answer = upstream.get("/", &HeaderMap::new(), LIMIT).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(upstream.idle_connections(), 1);
        let host = requests.recv().await.unwrap().headers()[HOST].clone();
        assert_eq!(host, at.to_string());
    }
}

#[tokio::test]
async fn a_kept_connection_that_was_closed_costs_nothing() {
    let (listener, at) = mk_listener().await;
    let tasks = mk_tasks();
    let upstream = Upstream::new(at.to_string(), &tasks);
    // Answers one request per connection, without saying that it will close it.
    tasks.spawn("origin", async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut buffer = [0; 1024];
            let _read = stream.read(&mut buffer).await.unwrap();
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
            stream.write_all(answer).await.unwrap();
        }
    });
    for _ in 0..20 {
        let answer = upstream.get("/", &HeaderMap::new(), LIMIT).await;
        assert_eq!(answer.unwrap().status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn no_answer_in_time_is_a_failure() {
    let (_listener, at) = mk_listener().await;
    let upstream = Upstream::new(at.to_string(), &mk_tasks());
    let answer = upstream
        .get("/", &HeaderMap::new(), Duration::from_millis(20))
        .await;
    assert!(matches!(answer, Err(CallError::Timeout(_))), "{answer:?}");
}

#[tokio::test]
async fn another_status_and_what_is_no_json_are_failures() {
    let tasks = mk_tasks();
    let check = async |answer: (StatusCode, Value), expected: StatusCode| {
        let (listener, at) = mk_listener().await;
        let (seen, _requests) = mpsc::channel(8);
        crate::start(Recorder { seen, answer }, listener, &tasks);
        let upstream = Upstream::new(at.to_string(), &tasks);
        let got = upstream
            .json::<Vec<u8>>("/", &HeaderMap::new(), LIMIT)
            .await;
        assert_eq!(got, Err(expected));
    };
    check(
        (StatusCode::IM_A_TEAPOT, json!([])),
        StatusCode::IM_A_TEAPOT,
    )
    .await;
    check(
        (StatusCode::OK, json!("text")),
        StatusCode::INTERNAL_SERVER_ERROR,
    )
    .await;
}
