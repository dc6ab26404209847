//! Peers that take their time: readers, writers, servers.

use std::time::Duration;

use fastrand::Rng;
use mesh_runtime::Tasks;
use mesh_tests::pattern::{Pattern, pattern};

use super::Traffic;
use super::requests::Keeper;
use crate::http::{Http, Way, whole};
use crate::ledger::{Judged, Verdict};
use crate::raw::Raw;

/// A reader takes a KiB so often.
const READING: Duration = Duration::from_millis(50);
/// A writer gives 64 bytes so often.
const WRITING: Duration = Duration::from_millis(50);
/// What a slow reader reads: more than what the proxies hold for it.
const LONG: usize = 64 * 1024;
/// What a slow writer writes.
const SHORT: usize = 3000;

/// Reads little by little, over a connection with a small window.
pub(crate) struct SlowReader(Way);

impl SlowReader {
    pub(crate) fn new(way: Way) -> Self {
        Self(way)
    }

    async fn read(&self) -> Result<(), String> {
        let mut raw = Raw::narrow(&self.0, 4096).await?;
        let head = format!(
            "GET /bytes/{LONG} HTTP/1.1\r\nHost: {}\r\n\r\n",
            self.0.authority
        );
        raw.write(head.as_bytes()).await?;
        let head = raw.head().await?;
        let body = raw.body(LONG, 1024, READING).await?;
        if head.status == 200 && body == pattern(LONG as u64) {
            return Ok(());
        }
        Err(format!("status {}, {} bytes", head.status, body.len()))
    }
}

impl Traffic for SlowReader {
    fn way(&self) -> &'static str {
        self.0.name
    }

    async fn once(&mut self) -> Judged {
        self.read().await?;
        Ok(Verdict::Good(1))
    }
}

/// Writes head and body little by little.
pub(crate) struct SlowWriter(Way);

impl SlowWriter {
    pub(crate) fn new(way: Way) -> Self {
        Self(way)
    }

    async fn write(&self) -> Result<(), String> {
        let mut raw = Raw::open(&self.0).await?;
        let host = &self.0.authority;
        let head =
            format!("POST /echo HTTP/1.1\r\nHost: {host}\r\nContent-Length: {SHORT}\r\n\r\n");
        let mut request = head.into_bytes();
        request.extend(pattern(SHORT as u64));
        raw.dribble(&request, 64, WRITING).await?;
        let head = raw.head().await?;
        let body = raw.body(SHORT, SHORT, Duration::from_millis(1)).await?;
        if head.status == 200 && body == pattern(SHORT as u64) {
            return Ok(());
        }
        Err(format!("status {}, {} bytes", head.status, body.len()))
    }
}

impl Traffic for SlowWriter {
    fn way(&self) -> &'static str {
        self.0.name
    }

    async fn once(&mut self) -> Judged {
        self.write().await?;
        Ok(Verdict::Good(1))
    }
}

/// A server that answers after seconds.
pub(crate) struct SlowServer {
    keeper: Keeper,
    chance: Rng,
}

impl SlowServer {
    pub(crate) fn new(way: Way, tasks: &Tasks, chance: Rng) -> Self {
        let keeper = Keeper::new(way, Http::One, tasks);
        Self { keeper, chance }
    }
}

impl Traffic for SlowServer {
    fn way(&self) -> &'static str {
        self.keeper.way.name
    }

    async fn once(&mut self) -> Judged {
        let mut connection = self.keeper.take().await?;
        let way = &self.keeper.way;
        let path = format!("/after/{}", self.chance.u64(1000..4000));
        let request = connection.request(way, &path).body(Pattern::exact(0));
        let request = request.map_err(|error| error.to_string())?;
        let answer = connection.send(request).await?;
        if answer.status() != 200 {
            return Err(format!("status {}", answer.status()));
        }
        whole(answer.into_body(), 10).await?;
        self.keeper.keep(connection);
        Ok(Verdict::Good(1))
    }
}
