//! curl as a client: one run, what it saw.

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;

use mesh_model::time::Clock;
use mesh_runtime::SystemClock;
use serde_json::Value;
use tempfile::TempDir;

use crate::world::World;

/// A way from curl to a server: where to connect, whom to ask for, what to speak.
#[derive(Clone)]
pub(crate) struct Way {
    /// What it leads through; up while anybody has the way.
    pub(crate) _world: Arc<World>,
    /// The server, the port and the entry, for messages.
    pub(crate) name: String,
    /// Where to connect.
    pub(crate) to: SocketAddr,
    /// The authority of the URLs.
    pub(crate) host: String,
    /// `--http1.1` or `--http2-prior-knowledge`.
    pub(crate) speak: &'static str,
    /// What the server must have been spoken to: `HTTP/1.1` or `HTTP/2.0`.
    pub(crate) served_with: &'static str,
    /// Whether the server passes trailers on.
    pub(crate) trailers: bool,
}

/// What came.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Status of the last head.
    pub(crate) status: u64,
    /// `1.1`, `2`.
    pub(crate) version: String,
    /// Every head and trailer of the run, as curl dumps them.
    pub(crate) heads: String,
    /// The body.
    pub(crate) body: Vec<u8>,
    /// Connections that were opened for this transfer.
    pub(crate) connects: u64,
}

impl Answer {
    /// The value of a header or trailer.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut lines = self.heads.lines().filter_map(|line| line.split_once(':'));
        let found = lines.find(|(found, _)| found.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim())
    }

    /// The JSON that `/seen` answers.
    pub(crate) fn json(&self) -> Result<Value, String> {
        let text = String::from_utf8_lossy(&self.body);
        serde_json::from_str(&text).map_err(|error| format!("{error} in {text:.300}"))
    }
}

impl Way {
    pub(crate) fn speaks_http1(&self) -> bool {
        self.speak == "--http1.1"
    }

    /// Runs curl for one path.
    ///
    /// # Errors
    /// What curl says when it is not content.
    pub(crate) fn fetch(&self, path: &str, args: &[&str]) -> Result<Answer, String> {
        let answers = self.run(&[path], args)?;
        answers
            .into_iter()
            .next()
            .ok_or_else(|| "no answer".to_owned())
    }

    /// Fetches several paths, one after the other, on one connection.
    ///
    /// On HTTP/2 each path has a curl of its own: curl 7.88 sends a second preface when it uses a
    /// connection with prior knowledge again.
    ///
    /// # Errors
    /// What curl says when it is not content, and more than one connection.
    pub(crate) fn in_a_row(&self, paths: &[&str], args: &[&str]) -> Result<Vec<Answer>, String> {
        if !self.speaks_http1() {
            return paths.iter().map(|path| self.fetch(path, args)).collect();
        }
        let answers = self.run(paths, args)?;
        let connects: u64 = answers.iter().map(|answer| answer.connects).sum();
        same("answers", answers.len(), paths.len())?;
        same("connections", connects, 1)?;
        Ok(answers)
    }

    fn run(&self, paths: &[&str], args: &[&str]) -> Result<Vec<Answer>, String> {
        let folder = TempDir::new().map_err(|error| error.to_string())?;
        let (heads, body) = (folder.path().join("heads"), folder.path().join("body"));
        let mut command = Command::new("curl");
        command
            .args(["-sS", "-g", "--path-as-is", "--max-time", "20", self.speak])
            .args(["--connect-to", &format!("::{}", self.to)])
            .args(["-w", "%{stderr}%{json}\n", "-D"])
            .arg(&heads)
            .args(args);
        for (number, path) in paths.iter().enumerate() {
            command
                .arg("-o")
                .arg(body.with_extension(number.to_string()))
                .arg(format!("http://{}{path}", self.host));
        }
        let output = command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .stdin(Stdio::null())
            .output()
            .map_err(|error| error.to_string())?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let heads = std::fs::read_to_string(&heads).unwrap_or_default();
        if !output.status.success() {
            return Err(format!(
                "curl {args:.200?} {paths:?}: {}\n{heads}",
                why(&said)
            ));
        }
        read(&said, &heads).ok_or_else(|| format!("curl said {said:.600}"))
    }
}

/// What curl says is wrong, of all that it says.
fn why(said: &str) -> String {
    let reports = said.lines().map(serde_json::from_str::<Value>);
    let wrong = reports.filter_map(|report| Some(report.ok()?["errormsg"].as_str()?.to_owned()));
    let wrong: Vec<_> = wrong.collect();
    match wrong.is_empty() {
        true => format!("{said:.300}"),
        false => wrong.join("; "),
    }
}

fn read(said: &str, heads: &str) -> Option<Vec<Answer>> {
    let reports = said.lines().map(serde_json::from_str::<Value>);
    reports
        .map(|report| {
            let report = report.ok()?;
            let number = |name: &str| report[name].as_u64();
            // There is no file where there was no body.
            let body = report["filename_effective"].as_str().map(std::fs::read);
            Some(Answer {
                status: number("http_code")?,
                version: report["http_version"].as_str()?.to_owned(),
                heads: heads.to_owned(),
                body: body.and_then(Result::ok).unwrap_or_default(),
                connects: number("num_connects")?,
            })
        })
        .collect()
}

/// Tries an exchange on every way and fails with everything that went wrong: how long it took, whether
/// it goes wrong again, and what the machine was waiting for meanwhile.
#[track_caller]
pub(crate) fn on_all(ways: &[Way], exchange: impl Fn(&Way) -> Result<(), String>) {
    assert!(!ways.is_empty());
    let timed = |way: &Way| {
        let began = SystemClock.now();
        let result = exchange(way);
        (result, (SystemClock.now() - began).as_millis())
    };
    let wrong: Vec<String> = ways
        .iter()
        .filter_map(|way| {
            let (Err(error), time) = timed(way) else {
                return None;
            };
            let again = match timed(way) {
                (Ok(()), time) => format!("well in {time} ms"),
                (Err(error), time) => format!("after {time} ms {error}"),
            };
            let (name, speak) = (&way.name, way.speak);
            Some(format!(
                "{name} by curl {speak}: after {time} ms {error}\n  the second time: {again}"
            ))
        })
        .collect();
    let count = wrong.len();
    assert!(
        wrong.is_empty(),
        "{}\n{}\n{count} of {} ways, see above",
        wrong.join("\n"),
        pressure(),
        ways.len(),
    );
}

/// What the kernel says of processes that wait for the processors, the disk and memory.
fn pressure() -> String {
    let of = |what: &str| {
        let text = std::fs::read_to_string(format!("/proc/pressure/{what}")).ok()?;
        Some(format!("{what}: {}", text.trim().replace('\n', "; ")))
    };
    let all = ["cpu", "io", "memory"].into_iter().filter_map(of);
    all.collect::<Vec<_>>().join("\n")
}

/// `Ok` if they are the same; an error names the fact.
pub(crate) fn same<T: PartialEq + std::fmt::Debug>(
    what: &str,
    got: T,
    expected: T,
) -> Result<(), String> {
    if got == expected {
        return Ok(());
    }
    Err(format!(
        "{what}: got {got:.300?}, expected {expected:.300?}"
    ))
}
