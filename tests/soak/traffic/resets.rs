//! Peers that break off: clients of ours, and servers that were asked to.

use fastrand::Rng;
use http_body_util::BodyExt;
use mesh_runtime::Tasks;
use mesh_tests::pattern::Pattern;

use super::Traffic;
use super::requests::{Ask, Keeper};
use crate::http::{Connection, End, Http, Way, chain, read};
use crate::ledger::{Judged, Reason, Verdict};
use crate::raw::Raw;

const MIB: u64 = 1 << 20;

/// Streams of HTTP/2 that their client gives up; the connection and its other streams go on.
pub(crate) struct GivenUp {
    keeper: Keeper,
    chance: Rng,
}

impl GivenUp {
    pub(crate) fn new(way: Way, tasks: &Tasks, chance: Rng) -> Self {
        let keeper = Keeper::new(way, Http::Two, tasks);
        Self { keeper, chance }
    }
}

impl Traffic for GivenUp {
    fn way(&self) -> &'static str {
        self.keeper.way.name
    }

    async fn once(&mut self) -> Judged {
        let mut connection = self.keeper.take().await?;
        let way = &self.keeper.way;
        let request = connection.request(way, "/echo").method("POST");
        let request = request.body(Pattern::exact(MIB));
        let request = request.map_err(|error| error.to_string())?;
        let mut body = connection.send(request).await?.into_body();
        for _ in 0..self.chance.u8(0..10) {
            if !matches!(body.frame().await, Some(Ok(_))) {
                return Err("the body ended before it was given up".to_owned());
            }
        }
        // hyper resets the stream in both directions.
        drop(body);
        Ask::Bytes(100).perform(&mut connection, way).await?;
        self.keeper.keep(connection);
        Ok(Verdict::Expected(Reason::OwnReset))
    }
}

/// Clients of HTTP/1 that vanish in the middle of a request or of an answer.
pub(crate) struct ClosedEarly {
    way: Way,
    chance: Rng,
}

impl ClosedEarly {
    pub(crate) fn new(way: Way, chance: Rng) -> Self {
        Self { way, chance }
    }
}

impl Traffic for ClosedEarly {
    fn way(&self) -> &'static str {
        self.way.name
    }

    async fn once(&mut self) -> Judged {
        let mut raw = Raw::open(&self.way).await?;
        let host = &self.way.authority;
        if self.chance.bool() {
            let head =
                format!("POST /echo HTTP/1.1\r\nHost: {host}\r\nContent-Length: {MIB}\r\n\r\n");
            raw.write(head.as_bytes()).await?;
            raw.write(&vec![b'z'; self.chance.usize(0..100_000)])
                .await?;
        } else {
            let head = format!("GET /bytes/{MIB} HTTP/1.1\r\nHost: {host}\r\n\r\n");
            raw.write(head.as_bytes()).await?;
            let status = raw.head().await?.status;
            if status != 200 {
                return Err(format!("status {status}"));
            }
        }
        Ok(Verdict::Expected(Reason::OwnReset))
    }
}

/// Servers that break off in the middle of an answer.
pub(crate) struct Aborted {
    way: Way,
    http: Http,
    tasks: Tasks,
    chance: Rng,
}

impl Aborted {
    pub(crate) fn new(way: Way, http: Http, tasks: &Tasks, chance: Rng) -> Self {
        let tasks = tasks.clone();
        Self {
            way,
            http,
            tasks,
            chance,
        }
    }
}

impl Traffic for Aborted {
    fn way(&self) -> &'static str {
        self.way.name
    }

    async fn once(&mut self) -> Judged {
        let mut connection = Connection::open(&self.way, self.http, &self.tasks).await?;
        let path = format!("/abort/{}", self.chance.u64(1..200_000));
        let request = connection.request(&self.way, &path).body(Pattern::exact(0));
        let request = request.map_err(|error| error.to_string())?;
        let Ok(answer) = connection.send(request).await else {
            // The head may be lost with the connection that breaks behind it.
            return Ok(Verdict::Expected(Reason::ServerAborted));
        };
        let status = answer.status().as_u16();
        if status == 503 {
            // Nothing of the answer was there yet.
            return Ok(Verdict::Expected(Reason::ServerDropped));
        }
        let body = read(answer.into_body()).await;
        if status == 200 && matches!(body.end, End::BrokenOff(_)) {
            return Ok(Verdict::Expected(Reason::ServerAborted));
        }
        Err(format!("{path}: status {status}, {body:?}"))
    }
}

/// Servers that end without an answer.
pub(crate) struct Dropped(Keeper);

impl Dropped {
    pub(crate) fn new(way: Way, tasks: &Tasks) -> Self {
        Self(Keeper::new(way, Http::One, tasks))
    }
}

impl Traffic for Dropped {
    fn way(&self) -> &'static str {
        self.0.way.name
    }

    async fn once(&mut self) -> Judged {
        let mut connection = self.0.take().await?;
        let way = &self.0.way;
        let request = connection.request(way, "/drop").body(Pattern::exact(0));
        let answer = connection.send(request.map_err(|error| error.to_string())?);
        let answer = answer.await?;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await;
        body.map_err(|error| chain(&error))?;
        if status != 503 {
            return Err(format!("status {status}"));
        }
        self.0.keep(connection);
        Ok(Verdict::Expected(Reason::ServerDropped))
    }
}
