use std::sync::mpsc;

use prometheus::Registry;

use super::*;
use crate::http::failure::FailureKind;
use crate::record::response_flags::{Flags, answer};
use crate::record::tests::Fixture;

fn line(fixture: &Fixture) -> String {
    Line::new().of(&fixture.record()).to_owned()
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
fn one_printer_serves_one_request_after_another() {
    let (mut printer, fixture) = (Line::new(), Fixture::client());
    let mut record = fixture.record();
    let first = printer.of(&record).to_owned();
    assert_eq!(printer.of(&record), first);
    record.start_time += Duration::from_millis(400);
    assert!(
        printer
            .of(&record)
            .starts_with("[2026-01-02T03:04:06.078Z]")
    );
    record.response.status = 0;
    record.bytes.response_body = u64::MAX;
    assert!(
        printer
            .of(&record)
            .contains(" 0 - via_upstream - \"-\" 0 18446744073709551615 12 ")
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
        log.write(&line);
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
    let log = AccessLog::open(path.to_str().unwrap(), &tasks).unwrap();
    log.write("one\n");
    log.write("two\n");
    assert!(tasks.stop(Duration::from_secs(20)).await);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntwo\n");
    assert!(AccessLog::open("/nonexistent/folder/log", &tasks).is_err());
}

/// docs/telemetry.md names every field of the line.
#[test]
fn every_field_is_documented() {
    let docs = include_str!("../../../../docs/telemetry.md");
    let fields = [
        "START_TIME",
        "METHOD",
        "PATH",
        "PROTOCOL",
        "RESPONSE_CODE",
        "RESPONSE_FLAGS",
        "RESPONSE_CODE_DETAILS",
        "CONNECTION_TERMINATION_DETAILS",
        "UPSTREAM_TRANSPORT_FAILURE_REASON",
        "BYTES_RECEIVED",
        "BYTES_SENT",
        "DURATION",
        "UPSTREAM_SERVICE_TIME",
        "X_FORWARDED_FOR",
        "USER_AGENT",
        "REQUEST_ID",
        "AUTHORITY",
        "UPSTREAM_HOST",
        "UPSTREAM_CLUSTER",
        "UPSTREAM_LOCAL_ADDRESS",
        "DOWNSTREAM_LOCAL_ADDRESS",
        "DOWNSTREAM_REMOTE_ADDRESS",
        "REQUESTED_SERVER_NAME",
        "ROUTE_NAME",
    ];
    for field in fields {
        assert!(
            docs.contains(&format!("`{field}`")),
            "docs/telemetry.md lacks {field}"
        );
    }
}
