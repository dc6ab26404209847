use std::sync::mpsc;

use mesh_traffic::Flags;
use prometheus::Registry;

use super::*;
use crate::http::failure::FailureKind;
use crate::record::response_flags::answer;
use crate::record::tests::Fixture;

fn line(fixture: &Fixture) -> String {
    let mut all = String::new();
    let logs = [mesh_traffic::AccessLog::of_all("log")];
    Line::new("host".into()).of(&fixture.record(), &logs, |path, line| {
        assert_eq!(&**path, "log");
        all.push_str(std::str::from_utf8(line).unwrap());
    });
    all
}

#[test]
fn a_line_has_istios_default_format() {
    assert_eq!(
        line(&Fixture::client()),
        "[2026-01-02T03:04:05.678Z] \"GET /reviews/0 HTTP/1.1\" 200 - via_upstream - \"-\" \
         0 295 12 11 \"-\" \"curl/8\" \"id-1\" \"reviews:9080\" \"127.7.3.1:9080\" \
         outbound|9080|v1|reviews.default.svc.cluster.local 127.7.1.1:51000 127.7.3.1:9080 \
         127.7.1.1:40000 - default\n"
    );
}

#[test]
fn a_failure_says_why() {
    let mut fixture = Fixture::client();
    fixture.response.status = 503;
    fixture.response.flags = Flags::CONNECT_FAILURE.with(Flags::RETRY_LIMIT);
    fixture.response.details = answer(FailureKind::ConnectFailed).details;
    fixture.response.transport_failure = "connection refused".into();
    assert!(line(&fixture).contains(
        " 503 UF,URX upstream_reset_before_response_started{remote_connection_failure} - \
         \"connection refused\" "
    ));
}

#[test]
fn a_client_cannot_forge_a_field_or_a_line() {
    let mut fixture = Fixture::client();
    fixture.request.path = "/\" 200 -\n[forged]".into();
    fixture
        .request
        .fields
        .set("user-agent", "a\tb\u{e9}")
        .unwrap();
    let line = line(&fixture);
    assert!(
        line.contains("\"GET /\\x22 200 -\\x0A[forged] HTTP/1.1\""),
        "{line}"
    );
    assert!(line.contains("\"a\\x09b\\xC3\\xA9\""), "{line}");
    assert_eq!(line.matches('\n').count(), 1);
}

#[test]
fn a_request_without_upstream_has_dashes() {
    let mut fixture = Fixture::client();
    fixture.cluster = None;
    assert!(line(&fixture).contains("\"reviews:9080\" \"-\" - - 127.7.3.1:9080"));
}

/// An output that the test lets go on, and reads.
struct Slow {
    begin: mpsc::Receiver<()>,
    out: mpsc::Sender<Vec<u8>>,
}

impl Write for Slow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _begin = self.begin.recv();
        let _read = self.out.send(bytes.to_vec());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn lines_beyond_the_bound_are_dropped_and_counted() {
    let tasks = Tasks::new(&Registry::new());
    let (begin, wait) = mpsc::channel();
    let (out, written) = mpsc::channel();
    let log = AccessLog::to(Box::new(Slow { begin: wait, out }), &tasks);
    let line = format!("{}\n", "x".repeat(1023));
    for _ in 0..4 * MAX_WAITING / line.len() {
        log.write(line.as_bytes());
    }
    let lines = log.lines();
    assert!(lines.dropped > 0 && lines.accepted >= (MAX_WAITING / line.len()) as u64);
    drop(begin);
    assert!(tasks.stop(Duration::from_secs(20)).await);
    drop(log);
    let bytes: usize = written.iter().map(|bytes| bytes.len()).sum();
    assert_eq!(bytes as u64, lines.accepted * line.len() as u64);
}

#[tokio::test]
async fn lines_reach_the_file() {
    let tasks = Tasks::new(&Registry::new());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let log = AccessLog::open(path.to_str().unwrap().into(), &tasks).unwrap();
    log.write(b"one\n");
    log.write(b"two\n");
    assert!(tasks.stop(Duration::from_secs(20)).await);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntwo\n");
    assert!(AccessLog::open("/nonexistent/folder/log".into(), &tasks).is_err());
}

#[tokio::test]
async fn a_file_is_opened_when_it_is_named_and_shared() {
    let tasks = Tasks::new(&Registry::new());
    let files = LogFiles::start(&tasks);
    let folder = tempfile::tempdir().unwrap();
    let path: Str = folder.path().join("access.log").to_str().unwrap().into();
    let (one, two) = (files.of(&path).unwrap(), files.of(&path).unwrap());
    one.write(b"one\n");
    two.write(b"two\n");
    let lost = files.of(&"/nonexistent/folder/log".into()).unwrap();
    lost.write(b"lost\n");
    assert!(tasks.stop(Duration::from_secs(20)).await);
    assert_eq!(std::fs::read_to_string(&*path).unwrap(), "one\ntwo\n");
    assert_eq!(
        files.lines(),
        Lines {
            accepted: 2,
            dropped: 1
        }
    );
}

#[tokio::test]
async fn there_is_a_bound_for_files() {
    let files = LogFiles::default();
    let of = |number: usize| files.of(&format!("/tmp/{number}").into());
    assert!((0..64).all(|number| of(number).is_some()));
    assert!(of(64).is_none() && of(63).is_some());
}

#[tokio::test]
async fn a_file_that_was_moved_is_opened_anew() {
    let tasks = Tasks::new(&Registry::new());
    let files = LogFiles::start(&tasks);
    let folder = tempfile::tempdir().unwrap();
    let (path, moved) = (folder.path().join("log"), folder.path().join("log.1"));
    let name: Str = path.to_str().unwrap().into();
    let log = files.of(&name).unwrap();
    log.write(b"one\n");
    let read = |path: &std::path::Path| std::fs::read_to_string(path).unwrap_or_default();
    mesh_test::eventually_async("the first line", || async {
        match read(&path).as_str() {
            "one\n" => Ok(()),
            other => Err(other.to_owned()),
        }
    })
    .await;
    std::fs::rename(&path, &moved).unwrap();
    files.reopen();
    log.write(b"two\n");
    assert!(tasks.stop(Duration::from_secs(20)).await);
    assert_eq!(
        (read(&moved).as_str(), read(&path).as_str()),
        ("one\n", "two\n")
    );
}
