use super::*;
use crate::tests::{Recorder, mk_environment, mk_listener, mk_tasks};

fn mk_request(path: &str) -> Request<Bytes> {
    Request::get(path).body(Bytes::new()).unwrap()
}

#[tokio::test]
async fn version_one_knows_every_book_by_heart() {
    let details = Details::new(&mk_environment(&[], &[]), Framing::Length, &mk_tasks()).unwrap();
    let reply = details.answer(mk_request("/details/3")).await;
    let facts: Value = serde_json::from_slice(reply.body()).unwrap();
    assert_eq!(facts, fixed(3));
    let reply = details.answer(mk_request("/details/three")).await;
    assert_eq!(reply.status(), StatusCode::BAD_REQUEST);
    let error: Value = serde_json::from_slice(reply.body()).unwrap();
    assert!(error["error"].is_string(), "{error}");
    let reply = details.answer(mk_request("/nowhere")).await;
    assert_eq!(reply.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn version_two_asks_the_book_service() {
    let tasks = mk_tasks();
    let (listener, at) = mk_listener().await;
    let (seen, mut requests) = tokio::sync::mpsc::channel(1);
    let book = json!({"items": [{"volumeInfo": {
        "authors": ["A. Author", "B. Author"], "publishedDate": "2002", "printType": "BOOK",
        "pageCount": 64, "publisher": "House", "language": "en",
        "industryIdentifiers": [
            {"type": "ISBN_13", "identifier": "13"}, {"type": "ISBN_10", "identifier": "10"},
        ],
    }}]});
    crate::start(
        Recorder {
            seen,
            answer: (StatusCode::OK, book),
        },
        listener,
        &tasks,
    );
    let port = at.port().to_string();
    let environment = mk_environment(
        &[
            ("ENABLE_EXTERNAL_BOOK_SERVICE", "true"),
            ("DO_NOT_ENCRYPT", "true"),
            ("EXTERNAL_BOOK_HOSTNAME", "127.0.0.1"),
            ("EXTERNAL_BOOK_PORT", &port),
        ],
        &[],
    );
    let details = Details::new(&environment, Framing::Length, &tasks).unwrap();
    let reply = details.answer(mk_request("/details/0")).await;
    let facts: Value = serde_json::from_slice(reply.body()).unwrap();
    let expected = json!({
        "id": 0, "author": "A. Author", "year": "2002", "type": "paperback", "pages": 64,
        "publisher": "House", "language": "English", "ISBN-10": "10", "ISBN-13": "13",
    });
    assert_eq!(facts, expected);
    let asked = requests.recv().await.unwrap();
    assert_eq!(asked.uri().to_string(), EXTERNAL_BOOK);
}

#[tokio::test]
async fn version_two_answers_400_when_it_cannot_ask() {
    let environment = mk_environment(&[("ENABLE_EXTERNAL_BOOK_SERVICE", "true")], &[]);
    let details = Details::new(&environment, Framing::Length, &mk_tasks()).unwrap();
    let reply = details.answer(mk_request("/details/0")).await;
    assert_eq!(reply.status(), StatusCode::BAD_REQUEST);
    assert!(String::from_utf8_lossy(reply.body()).contains("DO_NOT_ENCRYPT"));
}
