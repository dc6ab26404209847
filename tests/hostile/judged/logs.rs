//! What clients write never leaves a record of its own: one line for each event in every log, every
//! byte of it printable, whatever the method, path, fields, host or trace are made of.

use std::net::SocketAddr;
use std::time::Duration;

use mesh_test::eventually::eventually_async;
use mesh_tests::caller::fetch;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::case::{Entry, HOST};
use crate::sandbox::Sandbox;
use crate::wire::h2::{Frame, WHOLE, opened};

/// Stands in everything that must not be found where it has no business.
const MARK: &str = "FORGED";
/// A line as an attacker would like to see it.
const LINE: &str = "[2026-01-02T03:04:05.678Z] \"GET /FORGED HTTP/1.1\" 200 - -";

/// What an attacker writes: some of it is taken as it is, some is refused.
fn spite() -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = [
        "\u{1b}[2J\u{1b}[31mFORGED",
        "\u{1b}]0;FORGED\u{7}",
        "\u{9b}31mFORGED",
        "\u{85}FORGED",
        "\u{2028}FORGED",
        "\u{202e}FORGED\u{202c}",
        "a\tFORGED",
        "a\u{8}\u{8}FORGED",
        "a\0FORGED",
        "a\rFORGED",
        "a\nFORGED",
        "a\r\nFORGED: b",
        "%0aFORGED",
        "%0d%0aFORGED%1b%5b31m",
        "\\nFORGED\\x0a\\u000aFORGED",
        "\" 200 - FORGED \"",
        "\"FORGED",
        "FORGED\\",
        "{\"level\":\"ERROR\",\"FORGED\":true}",
        "${jndi:ldap://FORGED/a}",
        "<script>FORGED</script>",
        "FORGED{a=\"b\"} 1",
        "%s%n%p FORGED",
        "forged.test",
    ]
    .into_iter()
    .map(|text| text.as_bytes().to_vec())
    .collect();
    all.extend([
        b"\xff\xfe\x80FORGED".to_vec(),
        b"\xc3FORGED\xc3".to_vec(),
        b"\xed\xa0\x80FORGED".to_vec(),
        format!("a\n{LINE}").into_bytes(),
        format!("a%0a{LINE}").into_bytes(),
        LINE.as_bytes().to_vec(),
        [b"FORGED".repeat(1000), b"\xff".to_vec()].concat(),
        b"FORGED".repeat(8000),
    ]);
    all
}

/// Where it is put.
const PLACES: [&str; 12] = [
    ":method",
    ":path",
    ":query",
    ":authority",
    ":name",
    "user-agent",
    "x-request-id",
    "x-forwarded-for",
    "x-forwarded-proto",
    "traceparent",
    "x-b3-traceid",
    "upgrade",
];

/// A request with something in one place.
struct Asked {
    method: Vec<u8>,
    path: Vec<u8>,
    host: Vec<u8>,
    fields: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Asked {
    fn with(id: &str, host: &str, place: &str, what: &[u8]) -> Self {
        let mut asked = Self {
            method: b"GET".to_vec(),
            path: format!("/{id}/x").into_bytes(),
            host: host.as_bytes().to_vec(),
            fields: Vec::new(),
        };
        match place {
            ":method" => asked.method = what.to_vec(),
            ":path" => asked.path.extend_from_slice(what),
            ":query" => asked.path.extend([b"?", what].concat()),
            ":authority" => asked.host = what.to_vec(),
            ":name" => asked.fields.push((what.to_vec(), b"1".to_vec())),
            name => asked.fields.push((name.as_bytes().to_vec(), what.to_vec())),
        }
        asked
    }

    fn one(&self) -> Vec<u8> {
        let mut bytes = [
            &self.method,
            b" ".as_slice(),
            &self.path,
            b" HTTP/1.1\r\nhost: ",
        ]
        .concat();
        bytes.extend_from_slice(&self.host);
        let upgrade = self.fields.iter().any(|(name, _)| name == b"upgrade");
        let connection = if upgrade { "upgrade, close" } else { "close" };
        bytes.extend(format!("\r\nconnection: {connection}\r\n").bytes());
        for (name, value) in &self.fields {
            bytes.extend([name, b": ".as_slice(), value, b"\r\n"].concat());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes
    }

    fn two(&self) -> Vec<u8> {
        let name = |text: &str| text.as_bytes().to_vec();
        let mut fields = vec![
            (name(":method"), self.method.clone()),
            (name(":scheme"), name("http")),
            (name(":authority"), self.host.clone()),
            (name(":path"), self.path.clone()),
        ];
        fields.extend(self.fields.iter().cloned());
        let head = Frame::head(WHOLE, 1, &fields);
        if head.payload.len() > 16_000 {
            return Vec::new();
        }
        opened(&[head])
    }
}

/// Sends bytes and waits for what comes of them; whether there was an answer.
async fn send(to: SocketAddr, bytes: &[u8], is_h2: bool) -> Option<bool> {
    let exchange = async {
        let mut stream = TcpStream::connect(to).await.ok()?;
        let _refused_early = stream.write_all(bytes).await;
        let mut seen = Vec::new();
        let mut piece = [0; 4096];
        loop {
            let read = stream.read(&mut piece).await.unwrap_or(0);
            seen.extend_from_slice(&piece[..read]);
            if read == 0 || (is_h2 && is_over(&seen)) {
                break;
            }
        }
        Some(seen.starts_with(b"HTTP/1.1 200") || seen.windows(4).any(|w| w == b"good"))
    };
    let bound = Duration::from_secs(4);
    tokio::time::timeout(bound, exchange).await.ok().flatten()
}

/// Whether frames tell the end of stream 1, or of the connection.
fn is_over(mut seen: &[u8]) -> bool {
    while let Some((head, rest)) = seen.split_first_chunk::<9>() {
        let [l0, l1, l2, kind, flags, .., stream] = *head;
        let length = u32::from_be_bytes([0, l0, l1, l2]) as usize;
        let ends = matches!(kind, 0 | 1) && flags & 1 != 0;
        if kind == 7 || (stream == 1 && (ends || kind == 3)) {
            return true;
        }
        seen = rest.get(length..).unwrap_or_default();
    }
    false
}

#[tokio::test(flavor = "multi_thread")]
async fn no_client_writes_a_line_of_its_own_into_logs_of_text() {
    check("text").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_client_writes_a_line_of_its_own_into_logs_of_json() {
    check("json").await;
}

async fn check(format: &str) {
    let format_setting = format!("proxy.log-format={format}");
    let settings = [
        "proxy.concurrency=1",
        "proxy.log-level=debug",
        &format_setting,
    ];
    let sandbox = Sandbox::up(&settings).await;
    let mut taken = Vec::new();
    let mut number = 0;
    for (entry, to, host) in [
        (Entry::Gateway, sandbox.gateway(), HOST),
        (Entry::Sidecar, sandbox.sidecar_address(), HOST),
        (Entry::Sidecar, sandbox.outbound(), "strict:8080"),
    ] {
        for place in PLACES {
            for what in spite() {
                for is_h2 in [false, true] {
                    number += 1;
                    let id = format!("s{number:07}");
                    let asked = Asked::with(&id, host, place, &what);
                    let bytes = if is_h2 { asked.two() } else { asked.one() };
                    if bytes.is_empty() {
                        continue;
                    }
                    let shown = what[..what.len().min(60)].escape_ascii().to_string();
                    let answered = send(to, &bytes, is_h2).await;
                    assert!(answered.is_some(), "no end: {place} {shown} h2 {is_h2}");
                    if answered == Some(true) {
                        taken.push((entry, id));
                    }
                }
            }
        }
    }
    assert!(taken.len() > 300, "only {} were taken", taken.len());
    for entry in [Entry::Gateway, Entry::Sidecar] {
        let own: Vec<&str> = taken
            .iter()
            .filter(|(other, _)| *other == entry)
            .map(|(_, id)| id.as_str())
            .collect();
        let last = *own.last().expect("some were taken");
        eventually_async("the last request is in the log", || async {
            let log = sandbox.log(entry);
            let found = log
                .windows(last.len())
                .any(|window| window == last.as_bytes());
            found.then_some(()).ok_or(log.len())
        })
        .await;
        let all = sandbox.log(entry);
        log(&all, &own, format);
        for escaped in [
            "\\xFF\\xFE\\x80FORGED",
            "\\x22 200 - FORGED \\x22",
            "a\\x09FORGED",
        ] {
            let found = all
                .windows(escaped.len())
                .any(|window| window == escaped.as_bytes());
            assert!(found, "{entry:?} has not logged {escaped}");
        }
        admin(&sandbox, entry).await;
    }
}

/// Every line is a record, and every request has one of its own at least.
#[track_caller]
fn log(bytes: &[u8], taken: &[&str], format: &str) {
    assert_eq!(bytes.last(), Some(&b'\n'));
    let mut requests = 0;
    let mut paths = std::collections::BTreeMap::new();
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let shown = line[..line.len().min(400)].escape_ascii().to_string();
        let printable = line.iter().all(|byte| matches!(byte, b' '..=b'~'));
        assert!(printable, "a byte that acts: {shown}");
        let line = std::str::from_utf8(line).expect("ASCII");
        if line.starts_with('[') {
            let tokens = tokens(line).unwrap_or_else(|| panic!("no record: {shown}"));
            assert_eq!(tokens.len(), 22, "{shown}");
            let request: Vec<&str> = tokens[1].split(' ').collect();
            assert_eq!(request.len(), 3, "{shown}");
            assert!(
                !tokens[0].starts_with("[2026-01-02T03:04:05.678Z"),
                "{shown}"
            );
            requests += 1;
            *paths
                .entry(request[1].get(1..9).unwrap_or_default().to_owned())
                .or_insert(0) += 1;
        } else if format == "json" {
            let value: serde_json::Value =
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {shown}"));
            assert!(
                value["timestamp"].is_string() && value.get(MARK).is_none(),
                "{shown}"
            );
        } else {
            // `2026-11-21T22:00:00.000000Z  INFO mesh_proxy::..: ..`
            let mut words = line.split_ascii_whitespace();
            let (time, level) = (words.next().unwrap_or_default(), words.next());
            let timed = time.len() >= 20 && time.as_bytes()[10] == b'T' && time.ends_with('Z');
            let levels = ["ERROR", "WARN", "INFO", "DEBUG"];
            let known = level.is_some_and(|level| levels.contains(&level));
            assert!(timed && known, "no record: {shown}");
        }
    }
    assert!(
        requests >= taken.len(),
        "{requests} records of {} requests",
        taken.len()
    );
    let unseen: Vec<_> = taken
        .iter()
        .filter(|id| !paths.contains_key(**id))
        .collect();
    assert!(unseen.is_empty(), "no record of {unseen:?}");
}

/// The fields of a line in Istio's text format.
fn tokens(line: &str) -> Option<Vec<String>> {
    let mut found = Vec::new();
    let mut rest = line;
    while !rest.is_empty() {
        let (token, tail) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => rest.split_at(rest.find(' ').unwrap_or(rest.len())),
        };
        if token.is_empty() {
            return None;
        }
        found.push(token.to_owned());
        rest = match tail.strip_prefix(' ') {
            Some(tail) => tail,
            None if tail.is_empty() => tail,
            None => return None,
        };
    }
    Some(found)
}

/// Nothing of it is in the pages of the admin server, whose lines and JSON stay whole.
async fn admin(sandbox: &Sandbox, entry: Entry) {
    let metrics = sandbox.metrics(entry);
    // A parser that is not ours takes every line.
    let parsed = mesh_tests::Metrics::scrape(&metrics).await;
    assert!(!parsed.samples.is_empty());
    let base = metrics.trim_end_matches("/stats/prometheus");
    for page in [
        "/stats/prometheus",
        "/stats",
        "/clusters",
        "/config_dump",
        "/certs",
    ] {
        let (status, text) = fetch(&format!("{base}{page}"), &[]).await;
        if status == 404 {
            continue;
        }
        assert_eq!(status, 200, "{page}");
        // A host is a label where the mesh has no service for it (Istio), and has no sign to escape.
        let lines = text.lines().filter(|line| line.contains(MARK));
        let wrong: Vec<&str> = lines.take(3).collect();
        assert!(wrong.is_empty(), "{page}: {wrong:?}");
        let acts = |c: char| c.is_control() && c != '\n' && c != '\t';
        assert!(!text.contains(acts), "{page} has a control character");
        if page == "/config_dump" || page == "/certs" {
            let parsed: Result<serde_json::Value, _> = serde_json::from_str(&text);
            assert!(parsed.is_ok(), "{page}: {parsed:?}");
        }
    }
    for path in [
        "/%1b%5b31mFORGED",
        "/stats?filter=%0aFORGED",
        "/FORGED%0d%0aa:b",
    ] {
        let (_, text) = fetch(&format!("{base}{path}"), &[]).await;
        assert!(
            !text.contains(|c: char| c.is_control() && c != '\n'),
            "{path}: {text}"
        );
    }
}
