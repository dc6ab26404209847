//! What is exchanged with a server of the test, whatever stands between.
//!
//! The paths are those of tests/peer/answers.rs.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use mesh_tests::pattern::{Digest, pattern};
use serde_json::Value;
use tempfile::TempDir;

use crate::curl::{Way, same};

/// Longer than every buffer and window between the ends.
const LARGE: u64 = 3_000_017;

/// A file to upload, with its folder.
struct Upload {
    _folder: TempDir,
    path: PathBuf,
    length: u64,
}

impl Upload {
    fn of(length: u64) -> Result<Self, String> {
        let folder = TempDir::new().map_err(|error| error.to_string())?;
        let path = folder.path().join("upload");
        std::fs::write(&path, pattern(length)).map_err(|error| error.to_string())?;
        Ok(Self {
            _folder: folder,
            path,
            length,
        })
    }

    /// Sends it to `/seen`, which must have got every byte.
    fn arrives(&self, way: &Way, args: &[&str]) -> Result<Value, String> {
        let path = self.path.to_string_lossy();
        let mut all = vec!["-X", "POST", "-T", &path];
        all.extend(args);
        let answer = way.fetch("/seen", &all)?;
        same("status", answer.status, 200)?;
        let seen = answer.json()?;
        same("bytes", seen["length"].as_u64(), Some(self.length))?;
        let digest = Digest::of(&pattern(self.length)).text();
        same("sum", seen["digest"].as_str(), Some(digest.as_str()))?;
        Ok(seen)
    }
}

/// A request arrives as it was sent, and the answer says what the server was spoken to.
pub(crate) fn a_request_arrives_as_it_was_sent(way: &Way) -> Result<(), String> {
    let long = format!("x-long: {}", "v".repeat(8000));
    let args = [
        "-H",
        "x-twice: a",
        "-H",
        "x-twice: b",
        "-H",
        &long,
        "-H",
        "X-Case: Kept",
    ];
    let target = "/seen/a%20b;c=d/~e?q=%2F..%2f&empty=&list[]=1";
    let answer = way.fetch(target, &args)?;
    same("status", answer.status, 200)?;
    let version = if way.speaks_http1() { "1.1" } else { "2" };
    same("version", answer.version.as_str(), version)?;
    same(
        "server's version",
        answer.field("x-server-protocol"),
        Some(way.served_with),
    )?;
    let seen = answer.json()?;
    same("method", seen["method"].as_str(), Some("GET"))?;
    same("target", seen["target"].as_str(), Some(target))?;
    same(
        "x-case",
        seen["headers"]["x-case"][0].as_str(),
        Some("Kept"),
    )?;
    let long = seen["headers"]["x-long"][0].as_str().map(str::len);
    same("length of x-long", long, Some(8000))?;
    let twice = seen["headers"]["x-twice"].to_string();
    same(
        "x-twice",
        twice.replace("\",\"", ","),
        "[\"a,b\"]".to_owned(),
    )
}

/// Every status comes back, and those without a body leave the connection usable.
pub(crate) fn statuses_come_back(way: &Way) -> Result<(), String> {
    for status in [200_u64, 201, 206, 301, 404, 418, 500] {
        let answer = way.fetch(&format!("/status/{status}"), &[])?;
        same("status", answer.status, status)?;
    }
    let paths = [
        "/status/204",
        "/status/304",
        "/bytes/10",
        "/status/205",
        "/bytes/10",
    ];
    let answers = way.in_a_row(&paths, &[])?;
    let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    same("statuses", statuses, vec![204, 304, 200, 205, 200])?;
    let lengths: Vec<_> = answers.iter().map(|answer| answer.body.len()).collect();
    same("lengths", lengths, vec![0, 0, 10, 0, 10])
}

/// HEAD gets GET's length and no body, and the connection stays usable.
pub(crate) fn head_has_a_length_and_no_body(way: &Way) -> Result<(), String> {
    for length in [0_u64, 5000, 70_000] {
        let answer = way.fetch(&format!("/bytes/{length}"), &["--head"])?;
        same("status", answer.status, 200)?;
        let said = length.to_string();
        same(
            "length",
            answer.field("content-length"),
            Some(said.as_str()),
        )?;
    }
    let paths = ["/bytes/5000", "/chunks/70000", "/status/404", "/bytes/1"];
    let answers = way.in_a_row(&paths, &["--head"])?;
    let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    same("statuses", statuses, vec![200, 200, 404, 200])
}

/// A body of any length comes whole, with and without a length said.
pub(crate) fn bodies_come_down_whole(way: &Way) -> Result<(), String> {
    for length in [0, 1, 16_383, 16_384, 65_535, 65_536, LARGE] {
        for kind in ["bytes", "chunks"] {
            let answer = way.fetch(&format!("/{kind}/{length}"), &[])?;
            same(kind, answer.status, 200)?;
            let got = (answer.body.len(), Digest::of(&answer.body).text());
            let sent = pattern(length);
            same(kind, got, (sent.len(), Digest::of(&sent).text()))?;
        }
    }
    Ok(())
}

/// A body goes up whole, with a length and in chunks, and comes back by echo.
pub(crate) fn bodies_go_up_whole(way: &Way) -> Result<(), String> {
    for length in [0, 1, 65_535, 65_536, LARGE] {
        let upload = Upload::of(length)?;
        upload.arrives(way, &["-H", "Expect:"])?;
        // curl 7.88 never ends an empty body in chunks.
        if way.speaks_http1() && length > 0 {
            upload.arrives(way, &["-H", "Expect:", "-H", "Transfer-Encoding: chunked"])?;
        }
    }
    let upload = Upload::of(LARGE)?;
    let path = upload.path.to_string_lossy();
    let answer = way.fetch("/echo", &["-X", "POST", "-H", "Expect:", "-T", &path])?;
    same("status of the echo", answer.status, 200)?;
    same(
        "echo",
        Digest::of(&answer.body).text(),
        Digest::of(&pattern(LARGE)).text(),
    )
}

/// Who waits to be asked for the body is asked, and nothing of the interim answer sticks.
pub(crate) fn an_expected_100_comes(way: &Way) -> Result<(), String> {
    let upload = Upload::of(2_000_003)?;
    let path = upload.path.to_string_lossy();
    // curl would go on without an answer after a second; a minute makes it a failure.
    let args = [
        "-X",
        "POST",
        "-H",
        "Expect: 100-continue",
        "--expect100-timeout",
        "50",
        "-T",
        &path,
    ];
    let answer = way.fetch("/seen", &args)?;
    same("status", answer.status, 200)?;
    same(
        "bytes",
        answer.json()?["length"].as_u64(),
        Some(upload.length),
    )?;
    if way.speaks_http1() {
        let first = answer.heads.lines().next();
        same("first head", first, Some("HTTP/1.1 100 Continue"))?;
    }
    Ok(())
}

/// A server that answers before it has read the body is heard, and the next request is served.
///
/// On HTTP/1 alone: curl 7.88 discards an answer that RST_STREAM with NO_ERROR follows, against
/// RFC 9113 8.1.
pub(crate) fn an_early_answer_is_heard(way: &Way) -> Result<(), String> {
    if !way.speaks_http1() {
        return Ok(());
    }
    let upload = Upload::of(4_000_003)?;
    let path = upload.path.to_string_lossy();
    for expect in ["Expect: 100-continue", "Expect:"] {
        let args = ["-X", "POST", "-H", expect, "-T", &path];
        same(expect, way.fetch("/refuse", &args)?.status, 413)?;
        same("next", way.fetch("/bytes/10", &[])?.body, pattern(10))?;
    }
    Ok(())
}

/// Trailers of an answer reach the client.
pub(crate) fn trailers_come_down(way: &Way) -> Result<(), String> {
    if !way.trailers {
        return Ok(());
    }
    let answer = way.fetch("/trailers", &["-H", "TE: trailers"])?;
    same("body", answer.body == pattern(1000), true)?;
    same("trailer", answer.field("x-checksum"), Some("f00d"))
}

/// Many requests in a row use one connection; many at once are all answered.
pub(crate) fn a_connection_serves_many(way: &Way) -> Result<(), String> {
    let paths: Vec<String> = (0..40).map(|n| format!("/bytes/{n}")).collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let answers = way.in_a_row(&paths, &[])?;
    for (answer, length) in answers.iter().zip(0..) {
        same(
            "in a row",
            (answer.status, answer.body == pattern(length)),
            (200, true),
        )?;
    }
    let streams = if way.speaks_http1() { "--h1" } else { "-m20" };
    load(way, &["-n", "400", "-c", "1", streams], 400)
}

/// Runs h2load for `/bytes/1000`: every request must be answered with 200.
pub(crate) fn load(way: &Way, args: &[&str], requests: u64) -> Result<(), String> {
    let output = Command::new("h2load")
        .args(args)
        .arg(format!("--connect-to={}", way.to))
        .arg(format!("http://{}/bytes/1000", way.host))
        .stdin(Stdio::null())
        .output()
        .map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    if text.contains(&format!("status codes: {requests} 2xx")) {
        return Ok(());
    }
    let summary = text
        .lines()
        .filter(|line| line.contains("requests:") || line.contains("status codes:"));
    Err(format!(
        "h2load {args:?}: {}",
        summary.collect::<Vec<_>>().join("; ")
    ))
}
